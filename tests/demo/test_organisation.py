"""The sample is as large, as untidy and as silent about the truth as it has to be."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from tests.demo.written import Written, lines_of, parsed

from fairlead.core.wire import anthropic, openai
from fairlead.core.wire.key import request_key
from fairlead.demo.jobs import JOBS
from fairlead.demo.organisation import NOW, distinct
from fairlead.demo.words import dice

CATEGORIES = {
    "coding",
    "multilingual",
    "retrieval",
    "reasoning",
    "writing",
    "structured",
    "agentic",
    "multimodal",
    "safety",
}
UNDECIDED = "clause lookup"


def request_of(row: Any) -> Any:
    dialect = anthropic if "system" in row["request"] else openai
    return dialect.request(row["request"])


def test_every_category_has_a_job_and_there_are_more_than_twelve() -> None:
    assert {job.category for job in JOBS} == CATEGORIES
    assert len(JOBS) >= 12


def test_there_are_twenty_thousand_exchanges_of_thirty_days_in_two_formats(written: Written) -> None:
    times = [datetime.fromisoformat(row["started_at"]) for row in written.rows.values()]
    shapes = Counter("messages" if "stop_reason" in row["response"] else "other" for row in written.rows.values())

    assert written.sample.exchanges >= 20_000
    assert 28 <= (max(times) - min(times)).days <= 31
    assert max(times) <= NOW
    assert min(shapes.values()) > 5_000


def test_each_job_that_should_be_decided_has_1500_different_labelled_requests(written: Written) -> None:
    different: dict[str, set[str]] = defaultdict(set)
    for id_ in written.labels:
        if id_ in written.rows and isinstance(written.rows[id_]["request"]["messages"], list):
            different[written.job_of(id_)].add(request_key(request_of(written.rows[id_])))

    few = different.pop(UNDECIDED)

    assert set(different) == {job.name for job in JOBS} - {UNDECIDED}
    assert min(map(len, different.values())) >= 1_500
    assert len(few) <= 250


def test_one_job_is_three_per_cent_of_the_calls(written: Written) -> None:
    share = len(written.of_job(UNDECIDED)) / written.sample.exchanges
    assert 0.025 < share < 0.035


def test_two_jobs_share_their_prompt_and_differ_in_their_tools(written: Written) -> None:
    def prompts(name: str) -> set[str]:
        texts = (row["request"]["messages"][0]["content"] for row in written.of_job(name))
        return {re.sub(r"work for .*? in \w+\. Today is \w+, [\d-]+", "", text) for text in texts if len(text) > 20}

    def tools(name: str) -> set[str]:
        return {tool["function"]["name"] for row in written.of_job(name) for tool in row["request"].get("tools", [])}

    assert prompts("slot desk") == prompts("payment desk")
    assert not tools("slot desk") & tools("payment desk")


def test_one_job_is_spread_over_three_versions_of_its_prompt_that_follow_each_other(written: Written) -> None:
    live: dict[str, list[str]] = defaultdict(list)
    for row in written.of_job("ticket queues"):
        live[re.sub(r"Duty lead today.*", "", row["request"]["messages"][0]["content"])].append(row["started_at"])

    spans = sorted((min(times)[:10], max(times)[:10]) for times in live.values())

    assert len(spans) == 3
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_three_lines_are_broken_each_in_its_own_way(written: Written) -> None:
    unreadable = [line for line in lines_of(written.sample.logs) if parsed(line) is None]
    odd = [row for row in written.rows.values() if row["request"].get("messages") == "see attachment"]

    assert written.sample.broken_lines == 3
    assert len(unreadable) + len(odd) == 3
    assert any(b"\xff\xfe" in line for line in unreadable)
    assert any(not line.endswith(b"}\n") for line in unreadable)


def test_prompts_carry_names_dates_and_retrieved_text(written: Written) -> None:
    asked = [row["request"]["messages"][0]["content"] for row in written.of_job("handbook questions")]
    texts = Counter(len(re.findall(r"^\[\d\] ", text, re.MULTILINE)) for text in asked)

    assert set(texts) == {4}
    assert len({re.search(r"talking to (.+?) \(", text)[1] for text in asked}) > 30  # type: ignore[index]
    assert len({re.search(r"Today is (.+?)\.", text)[1] for text in asked}) > 20  # type: ignore[index]


def test_usage_counts_cached_tokens_as_each_provider_does(written: Written) -> None:
    tickets = [row["response"].get("usage") for row in written.of_job("ticket queues")]
    cases = [row["response"].get("usage") for row in written.of_job("case work")]
    cached = [usage["prompt_tokens_details"]["cached_tokens"] for usage in tickets if usage]
    read = [usage["cache_read_input_tokens"] for usage in cases if usage]

    assert {each % 128 for each in cached} == {0}
    assert 0.6 < sum(each >= 1_024 for each in cached) / len(cached) < 0.8
    assert 0.7 < sum(each >= 1_024 for each in read) / len(read) < 0.9
    assert all(usage["cache_read_input_tokens"] >= 0 < usage["input_tokens"] for usage in cases if usage)


def test_tokens_follow_from_the_text(written: Written) -> None:
    for row in written.of_job("listing checks")[:200]:
        if "usage" not in row["response"]:
            continue
        texts = (row["request"]["system"], row["request"]["messages"][0]["content"])
        counted = sum(-(-len(text.encode()) // 4) for text in texts)
        assert row["response"]["usage"]["input_tokens"] == counted + 4


def test_every_incumbent_has_a_price_on_the_days_of_the_log(written: Written) -> None:
    models = {
        (row["response"]["model"], "stop_reason" in row["response"])
        for row in written.rows.values()
        if "model" in row["response"]
    }

    for model, is_anthropic in models:
        provider = "anthropic" if is_anthropic else "openai"
        for day in (datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)):
            tokens = Usage(input_tokens=1_000_000, output_tokens=0)
            priced = calc_price(tokens, model_ref=model, provider_id=provider, genai_request_timestamp=day)
            assert priced.total_price > 0, model


def test_some_calls_failed_and_some_have_no_latency(written: Written) -> None:
    failed = sum("error" in row["response"] for row in written.rows.values())
    untimed = sum("latency_s" not in row for row in written.rows.values())

    assert 20 < failed < 200
    assert 0.01 < untimed / len(written.rows) < 0.03


def test_no_log_or_label_names_a_job(written: Written) -> None:
    logs = b"".join(lines_of(written.sample.logs)).decode("utf-8", "replace")
    read = (logs, written.sample.labels.read_text("utf-8"), written.sample.graders.read_text("utf-8"))
    texts = [text.lower() for text in read]

    for name in written.truth["jobs"]:
        assert not any(name in text for text in texts), name


def test_nothing_beside_the_bodies_tells_jobs_apart(written: Written) -> None:
    keys = Counter(tuple(sorted(row["metadata"])) for row in written.rows.values())
    assert set(keys) == {("env", "release"), ("env", "release", "user_id")}

    allowed = {"id", "request", "response", "started_at", "latency_s", "metadata"}
    assert all(set(row) <= allowed for row in written.rows.values())


def test_ids_and_the_order_of_labels_are_chance(written: Written) -> None:
    firsts: dict[str, Counter[str]] = defaultdict(Counter)
    for id_ in written.labels:
        firsts[written.job_of(id_)][id_[0].lower()] += 1
    followed = [written.job_of(id_) for id_ in written.labels]
    same = sum(one == other for one, other in pairwise(followed)) / len(followed)

    assert same < 0.12
    assert all(max(counter.values()) / counter.total() < 0.15 for counter in firsts.values())


def test_labels_say_how_to_compare_and_only_that(written: Written) -> None:
    assert {tuple(row) for row in written.labels.values()} == {("id", "expected", "grader")}
    known = {"number", "choice", "label", "json", "tool_call", "graders.py:same_query", "graders.py:states_the_facts"}
    assert {row["grader"] for row in written.labels.values()} == known


def fingerprint() -> str:
    """A hash over the first calls of every job, with what the closed model said."""
    first = (islice(distinct(job, dice(7, job.name), NOW, 7), 20) for job in JOBS)
    told = repr([(each.at, each.body, each.said) for asked in first for each in asked])
    return hashlib.blake2b(told.encode()).hexdigest()


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_seed_asks_the_same_in_any_process(hash_seed: str) -> None:
    program = "from tests.demo.test_organisation import fingerprint; print(fingerprint())"
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[2])}
    told = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)

    assert told.stdout.strip() == fingerprint()


def test_another_seed_asks_other_things() -> None:
    job = JOBS[0]
    one, other = ({each.task.user for each in islice(distinct(job, dice(seed), NOW, seed), 50)} for seed in (7, 8))
    assert not one & other


def test_packed_logs_hold_no_time_of_writing(written: Written) -> None:
    packed = [path for path in written.sample.logs.iterdir() if path.suffix == ".gz"]
    assert len(packed) == 2
    assert all(path.read_bytes()[4:8] == bytes(4) for path in packed)
    assert all(gzip.decompress(path.read_bytes()) for path in packed)


def test_the_whole_sample_stays_small(written: Written) -> None:
    size = sum(path.stat().st_size for path in written.sample.folder.rglob("*") if path.is_file())
    assert size < 60_000_000
