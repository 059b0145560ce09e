"""Inspect logs. What is expected was read off the recorded files by hand."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
import zstandard

from fairlead.core.nouns import FailureKind, ToolCall, Usage
from fairlead.edge.sources.inspect import usage
from fairlead.edge.sources.read import read


def test_the_json_form_gives_every_call_of_a_model_the_graders_too(logs, scan):
    found = scan(logs / "inspect" / "2024-11-05T13-31-45-05-00_input-task_8zXjbRzCWrL9GXiXo2vus9.json").exchanges
    assert [(e.request.model, e.provider, e.answer.model) for e in found] == [
        ("gpt-4o-mini", "openai", "gpt-4o-mini-2024-07-18")
    ] * 2
    assert [e.usage for e in found] == [Usage(fresh=53, visible=46), Usage(fresh=221, visible=143)]
    first, second = found
    assert first.request.messages[0].text.startswith("Hey there, hipster!"), "its text lies in the attachments"
    assert "St. Paul" in first.request.messages[1].text
    assert first.answer.text.startswith("Yo, in February, St. Paul")
    assert second.request.messages[0].text.startswith("\nYou are comparing a submitted answer")
    assert first.started_at == datetime(2024, 11, 5, 18, 32, 17, 859608, tzinfo=UTC)
    assert [e.step for e in found] == [1, 2]
    assert len({e.conversation for e in found}) == 1


def test_an_eval_archive_gives_its_samples(logs, scan):
    found = scan(logs / "inspect" / "2025-02-11T15-17-00-05-00_popularity_dPiJifoWeEQBrfWsAopzWr.eval").exchanges
    assert len(found) == 10
    assert sum(e.usage.fresh or 0 for e in found) == 620
    assert sum(e.usage.visible or 0 for e in found) == 20
    assert {e.request.model for e in found} == {"gpt-4o-mini"}
    assert all(e.request.system.startswith("\nPlease note: In the following EXERCISE") for e in found)
    fifth = next(e for e in found if e.metadata["sample"] == 5)
    assert fifth.answer.text == "Yes"
    assert fifth.latency_s == pytest.approx(0.6146955)
    assert fifth.usage == Usage(fresh=63, visible=2)


def test_epochs_of_a_sample_are_exchanges_of_their_own(logs, scan):
    found = scan(logs / "inspect" / "log_streaming.eval").exchanges
    assert len(found) == 4
    assert sum(e.usage.fresh or 0 for e in found) == 252
    assert sum(e.usage.visible or 0 for e in found) == 6
    assert {(e.provider, e.request.model) for e in found} == {("azureai", "Meta-Llama-3-1-405B-Instruct-jqf")}
    assert {e.answer.model for e in found} == {"Meta-Llama-3-405B-Instruct"}
    assert {e.request.parameters["max_tokens"] for e in found} == {2048}
    assert {(e.metadata["sample"], e.metadata["epoch"]) for e in found} == {(1, 1), (1, 2), (2, 1), (2, 2)}


def test_messages_kept_once_in_a_pool_are_put_back_and_steps_stay_in_order(logs, scan):
    found = scan(logs / "inspect" / "log_message_deduplication.eval").exchanges
    assert [len(e.request.messages) for e in found] == [1, 3, 5, 7, 9, 11]
    assert [e.step for e in found] == [1, 2, 3, 4, 5, 6]
    assert found[0].answer.tool_calls == (ToolCall(name="bash", arguments={"cmd": "ls"}, call_id="hardcoded_0"),)
    assert found[5].answer.text == "done"
    assert found[1].request.messages[2].parts[0].call_id == "hardcoded_0"
    assert [tool.name for tool in found[0].request.tools] == ["bash", "python"]
    assert found[0].request.tools[1].description.startswith("Use the python function to execute Python code.")
    assert all(e.usage == Usage() for e in found), "no tokens are in this log"
    assert len({e.conversation for e in found}) == 1


@pytest.mark.parametrize(
    ("name", "model", "provider", "fresh", "visible"),
    [
        ("log_formats.eval", "llama3.1", "ollama", 66, 2),
        ("log_read_sample.eval", "gemma3", "ollama", 66, 3),
    ],
)
def test_single_calls_of_small_logs(logs, scan, name, model, provider, fresh, visible):
    (only,) = scan(logs / "inspect" / name).exchanges
    assert (only.request.model, only.provider) == (model, provider)
    assert only.usage == Usage(fresh=fresh, visible=visible)
    assert only.request.system.startswith("\nPlease note"), "also the oldest form of attachments is put back"
    assert "Positive posts about myself" in only.request.messages[0].text


def test_counts_that_say_nothing_was_cached_are_kept_as_zero(logs, scan):
    found = scan(logs / "inspect" / "2025-05-12T20-28-13-04-00_popularity.json").exchanges
    assert [(e.usage.fresh, e.usage.cache_read, e.usage.reasoning, e.usage.visible) for e in found] == [
        (64, 0, 0, 2),
        (58, 0, 0, 2),
        (70, 0, 0, 2),
    ]
    assert [e.answer.text for e in found] == ["Yes", "No", "No"]


def test_a_log_without_samples_gives_none_and_says_why(logs, scan):
    result = scan(logs / "inspect" / "2025-05-12T20-28-13-04-00_no-samples.json")
    assert result.exchanges == []
    assert result.reasons == [
        "an Inspect log (status cancelled) that holds no samples; its totals: openai/gpt-4o-mini 192 in, 6 out tokens"
    ]


def test_two_copies_add_nothing(logs, scan):
    result = scan(logs / "inspect")
    assert len(result.exchanges) == 33
    assert len({e.row_hash for e in result.exchanges}) == 29
    assert sum(result.reading.notes.values()) == 4


HEADER = {"version": 2, "status": "success", "eval": {"run_id": "r", "model": "openai/gpt-x", "task": "t"}}


def call(**more):
    return {
        "event": "model",
        "model": "openai/gpt-x",
        "input": [{"role": "user", "content": "Hi"}],
        "tools": [],
        "tool_choice": "none",
        "config": {"temperature": 0.5, "max_connections": 9, "stop_seqs": ["END"]},
        "output": {
            "model": "gpt-x-1",
            "choices": [{"message": {"role": "assistant", "content": "Hello"}, "stop_reason": "stop"}],
            "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
        },
        **more,
    }


def sample(*events, **more):
    return {"id": 1, "epoch": 1, "messages": [], "output": {}, "events": list(events), "attachments": {}, **more}


def archive(members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        for name, value in members.items():
            packed.writestr(name, json.dumps(value))
    return file.getvalue()


def test_settings_go_under_the_names_that_endpoints_know(scan_rows):
    (only,) = scan_rows({**HEADER, "samples": [sample(call())]}, document=True).exchanges
    assert only.request.parameters == {"temperature": 0.5, "stop": ["END"]}


def test_a_call_that_failed_is_a_failure(scan_rows):
    output = {"model": "gpt-x", "choices": [], "error": "server overloaded"}
    (only,) = scan_rows({**HEADER, "samples": [sample(call(output=output))]}, document=True).exchanges
    assert only.answer.failure is not None
    assert only.answer.failure.kind is FailureKind.SERVER_ERROR
    assert only.answer.failure.detail == "server overloaded"


def test_a_call_answered_from_inspects_own_cache_cost_nothing(scan_rows):
    (only,) = scan_rows({**HEADER, "samples": [sample(call(cache="read"))]}, document=True).exchanges
    assert only.usage == Usage()
    assert only.metadata["answered_from_cache"] is True


def test_a_log_without_events_gives_the_last_answer_of_each_sample(scan_rows):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    (only,) = scan_rows(
        {**HEADER, "samples": [sample(messages=messages, output=call()["output"])]}, document=True
    ).exchanges
    assert only.answer.text == "Hello"
    assert [turn.text for turn in only.request.messages] == ["Hi"]
    assert only.usage == Usage(fresh=5, visible=2)


def test_an_archive_through_a_pipe_is_read(scan_rows):
    data = archive({"header.json": HEADER, "samples/1_epoch_1.json": sample(call()), "summaries.json": []})

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    (only,) = read(["-"], stdin=Pipe(data))
    assert only.answer.text == "Hello"
    assert only.source == "stdin!samples/1_epoch_1.json:1"


def test_members_packed_with_zstd_are_read(scan_rows):
    """Python's own zip module cannot write these either: a stored member is relabelled as what it holds."""
    packed = zstandard.ZstdCompressor().compress(json.dumps(sample(call())).encode())
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("header.json", json.dumps(HEADER))
        made.writestr("samples/1_epoch_1.json", packed)
    data = bytearray(file.getvalue())
    at = data.rfind(b"PK\x01\x02")
    data[at + 10 : at + 12] = (93).to_bytes(2, "little")
    (only,) = scan_rows(bytes(data), name="log.eval").exchanges
    assert only.answer.text == "Hello"


def test_a_damaged_member_is_told_and_the_others_are_read(scan_rows):
    members = {
        "header.json": HEADER,
        "samples/1.json": sample(call()),
        "samples/2.json": [],
        "samples/3.json": sample(call()),
    }
    result = scan_rows(archive(members), name="log.eval")
    assert len(result.exchanges) == 2
    assert result.reasons == ["samples/2.json is a list, not an object"]


@pytest.mark.parametrize(
    ("raw", "counts"),
    [
        (
            {"input_tokens": 100, "input_tokens_cache_read": 60, "output_tokens": 10, "total_tokens": 110},
            Usage(fresh=40, cache_read=60, visible=10),
        ),
        (
            {"input_tokens": 40, "input_tokens_cache_read": 60, "output_tokens": 10, "total_tokens": 110},
            Usage(fresh=40, cache_read=60, visible=10),
        ),
        ({"input_tokens": 5, "output_tokens": 9, "reasoning_tokens": 6}, Usage(fresh=5, visible=3, reasoning=6)),
        ({"input_tokens": "x", "output_tokens": None}, Usage()),
        (None, None),
    ],
)
def test_the_total_tells_whether_cached_tokens_are_inside(raw, counts):
    assert usage(raw) == counts


@pytest.mark.parametrize(
    ("total", "told"),
    [
        (130, Usage(fresh=60, cache_read=40, visible=10, reasoning=20)),
        (150, Usage(fresh=60, cache_read=40, visible=30, reasoning=20)),
        (170, Usage(fresh=100, cache_read=40, visible=10, reasoning=20)),
        (190, Usage(fresh=100, cache_read=40, visible=30, reasoning=20)),
        (None, Usage(fresh=100, cache_read=40, visible=10, reasoning=20)),
    ],
)
def test_the_total_tells_what_is_within_input_and_output(total, told):
    raw = {"input_tokens": 100, "input_tokens_cache_read": 40, "output_tokens": 30, "reasoning_tokens": 20}
    assert usage({**raw, "total_tokens": total}) == told


def test_what_a_long_log_holds_beside_its_samples_is_no_empty_log(scan_rows):
    about = {"status": "success", "eval": {"eval_id": "e", "model": "openai/gpt-4o"}, "stats": {}}
    asked, said = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
    sample = {"id": 1, "epoch": 1, "messages": [asked, said], "output": {"choices": [{"message": said}]}}
    result = scan_rows({**about, "samples": [sample]}, {**about, "reductions": [{"scorer": "x"}]})
    assert (len(result.exchanges), result.reasons) == (1, [])
