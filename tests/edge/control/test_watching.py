"""What follows the kept calls: spans, the log of calls, retention, and where texts may be written."""

from __future__ import annotations

import asyncio
import json
import stat
from random import Random
from time import time_ns

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from edge.control.calls import STARTED_US, asking, call
from edge.control.test_capture import SECRET, capturing
from fairlead.core.errors import InputError
from fairlead.core.nouns import Category, CategoryGuess, Workload
from fairlead.core.redact import DataClass
from fairlead.edge.config import PrivacySettings, Settings
from fairlead.edge.control.call_log import CallLog
from fairlead.edge.control.process import ControlProcess, is_on_this_machine
from fairlead.edge.control.retention import Clock, sweep
from fairlead.edge.control.traces import Traces
from fairlead.edge.operate_settings import CaptureSettings, LogSettings, TraceSettings, operate_settings
from fairlead.edge.store import Ledger
from fairlead.edge.store.rollups import DAY_US, together
from fairlead.edge.store.routing import Draw
from fairlead.serve.frames import Ended, Protocol
from fairlead.serve.snapshot import Snapshot

DAY_S = 86_400


def kept(*calls):
    return capturing(wanted=lambda _: True).read(calls).kept


def spans_of(*calls, share=1.0):
    exporter = InMemorySpanExporter()
    traces = Traces(TraceSettings(share=share), exporter=exporter)
    asyncio.run(traces.take([each for each in kept(*calls) if traces.wants(each.call)]))
    traces.close()
    return exporter.get_finished_spans()


def test_a_span_says_what_the_conventions_ask_and_lasts_as_long_as_the_call():
    [span] = spans_of(call(request=asking(temperature=0.2, max_tokens=99), workload_id="w1", key_id="k1"))
    assert span.name == "chat gpt-4o-mini"
    assert span.kind is SpanKind.CLIENT
    assert span.end_time - span.start_time == 400_000_000
    told = dict(span.attributes)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (1000, 100)
    assert (told["gen_ai.request.temperature"], told["gen_ai.request.max_tokens"]) == (0.2, 99)
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert (told["fairlead.workload"], told["fairlead.cost_usd"]) == ("w1", pytest.approx(0.00021))
    assert span.status.status_code is StatusCode.UNSET


def test_a_failed_call_is_an_error_and_one_that_the_caller_left_is_not():
    failed, left = spans_of(
        call(status=503, response=b'{"error":{"message":"no"}}'),
        call(ended=Ended.CLIENT_CLOSED, response=b"", status=0),
    )
    assert (failed.status.status_code, failed.attributes["error.type"]) == (StatusCode.ERROR, "503")
    assert left.status.status_code is StatusCode.UNSET


def test_a_share_of_the_calls_is_chosen_by_their_ids():
    calls = [call() for _ in range(400)]
    chosen = {span.attributes["fairlead.call.id"] for span in spans_of(*calls, share=0.25)}
    assert 60 < len(chosen) < 140
    assert chosen == {span.attributes["fairlead.call.id"] for span in spans_of(*calls, share=0.25)}


def test_neither_spans_nor_the_log_hold_content(tmp_path):
    texts = ("parcel", "On its way", SECRET)
    odd = call(request=asking(f"Where is my parcel? {SECRET}"), problem=f"refused {SECRET}", user="ann@example.org")
    log = CallLog(str(tmp_path / "calls.jsonl"))
    asyncio.run(log.take(kept(odd)))
    log.close()
    written = (tmp_path / "calls.jsonl").read_text()
    shown = written + "".join(span.to_json() for span in spans_of(odd))
    assert not any(text in shown for text in (*texts, "ann@example.org"))
    assert json.loads(written)["call"] == odd.call_id
    assert stat.S_IMODE((tmp_path / "calls.jsonl").stat().st_mode) == 0o600


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db") as opened:
        yield opened


def sweep_now(ledger, **limits):
    return asyncio.run(sweep(ledger, CaptureSettings(**limits), now_us=STARTED_US + DAY_US, rest_s=0))


def test_calls_older_than_the_limit_go_and_their_sums_stay(ledger):
    lot = capturing().read(
        [call(started_us=STARTED_US - days * DAY_US, request=asking(f"{days}")) for days in range(10)]
    )
    ledger.capture(lot.arrivals, lot.tallies)
    swept = sweep_now(ledger, max_days=5.5)
    assert swept.exchanges == 5
    assert ledger.size().exchanges == 5
    assert together(tally for _, tally in ledger.rollups(since_us=0, until_us=2**62)).calls == 10


def test_what_guards_were_fed_goes_with_its_calls_unless_evidence_is_kept(ledger):
    lot = capturing().read([call(call_id="old", started_us=STARTED_US - 9 * DAY_US), call(call_id="new")])
    ledger.capture(lot.arrivals, lot.tallies)
    ledger.routing.watch("w1", 1, "canary", [("old", {"n": 1}), ("new", {"n": 2})])
    sweep_now(ledger, max_days=5.0)
    assert len(ledger.routing.watched("w1", 1, "canary")) == 2
    lot = capturing().read([call(call_id="old", started_us=STARTED_US - 9 * DAY_US)])
    ledger.capture(lot.arrivals, lot.tallies)
    sweep_now(ledger, max_days=5.0, keep_evidence=False)
    assert ledger.routing.watched("w1", 1, "canary") == [{"n": 2}]


def test_what_was_drawn_in_a_run_that_is_over_or_long_ago_is_forgotten(ledger):
    def draw(run, unit):
        [place] = ledger.routing.claim("w1", run, [Draw(unit, (unit,))])
        return place is not None

    assert draw(1, "a")
    assert draw(2, "b")
    assert sweep_now(ledger, max_days=None).claims == 1
    assert (draw(2, "b"), draw(1, "a")) == (False, True)
    later = time_ns() // 1000 + 2 * DAY_US
    swept = asyncio.run(sweep(ledger, CaptureSettings(max_days=1.0), now_us=later, rest_s=0))
    assert swept.claims == 2
    assert draw(2, "b")


def test_beyond_the_size_the_oldest_go_until_it_fits(ledger):
    noise = Random(1)
    lot = capturing().read([call(request=asking(f"{n} {noise.randbytes(1500).hex()}")) for n in range(560)])
    ledger.capture(lot.arrivals, lot.tallies)
    before = ledger.bytes_held()
    swept = sweep_now(ledger, max_days=None, max_gb=before / 2 / 1e9)
    assert (swept.exchanges, swept.short) == (500, False)
    assert ledger.bytes_held() <= before / 2
    assert next(iter(ledger.exchanges())).request.messages[0].text.startswith("500 ")


@pytest.mark.parametrize("by_s", [365 * DAY_S, -365 * DAY_S])
def test_after_the_clock_jumped_nothing_is_thrown_away_by_it_for_a_day(by_s):
    clock = Clock(wall_s=1.8e9, steady_s=0)
    assert clock.is_believed(wall_s=1.8e9 + 600, steady_s=600)
    assert not clock.is_believed(wall_s=1.8e9 + 1200 + by_s, steady_s=1200)
    assert not clock.is_believed(wall_s=1.8e9 + 1800, steady_s=1800), "nor when it was set right again"
    assert not clock.is_believed(wall_s=1.8e9 + DAY_S, steady_s=DAY_S)
    assert clock.is_believed(wall_s=1.8e9 + 1800 + DAY_S, steady_s=1800 + DAY_S)


def test_a_limit_that_cannot_be_met_is_said(ledger):
    assert sweep_now(ledger, max_days=None, max_gb=1e-9).short


@pytest.mark.parametrize(
    ("where", "near"),
    [
        ("fairlead.db", True),
        ("sqlite:////srv/fairlead.db", True),
        ("postgresql://me@localhost/f", True),
        ("postgresql://me@127.0.0.1:5432/f", True),
        ("postgresql://me@/f?host=/run/postgresql", True),
        ("postgresql://me@10.0.0.9/f", False),
        ("postgresql://me@/f?host=db.example.com", False),
    ],
)
def test_whether_a_ledger_is_on_this_machine_is_told_by_its_address(where, near):
    assert is_on_this_machine(where) is near


def test_texts_of_local_only_workloads_are_not_written_to_another_machine(tmp_path):
    privacy = PrivacySettings(data_classes={"Letters": DataClass.LOCAL_ONLY}, key_file=str(tmp_path / "key"))
    away = ControlProcess(Settings(privacy=privacy), ledger="postgresql://db.example.com/f", base=Snapshot(version=0))
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        guess = CategoryGuess(category=Category.WRITING, confidence=0.9)
        ledger.set_workloads([Workload(id="w1", name="Letters", guess=guess)])
        early = away.capture.read([call(workload_id="w2")])
        away.ledger = lambda: ledger
        away._look_at_classes()
        lot = away.capture.read([call(workload_id="w1"), call(workload_id="w2"), call()])
        ledger.capture([*early.arrivals, *lot.arrivals], lot.tallies)
        assert [each.request_body is None for each in ledger.exchanges()] == [True, True, False, True]
        assert [each.request.system.startswith("<prompt ") for each in ledger.exchanges()] == [True, True, False, True]
    home = ControlProcess(Settings(privacy=privacy), ledger=str(tmp_path / "other.db"), base=Snapshot(version=0))
    assert home.capture.may_leave("w1")


def test_every_setting_is_read():
    raw = {
        "capture": {"max_days": "none", "max_gb": 2.5, "keep_evidence": False, "memory_mb": 10, "flush_s": 1},
        "admin": {"token_env": "MINE", "token_file": "t"},
        "traces": {"endpoint": "http://127.0.0.1:4318", "headers_env": "H", "share": 0.5, "service": "s"},
        "logs": {"file": "-"},
    }
    found = operate_settings(raw, "fairlead.toml [serve]")
    assert found.capture == CaptureSettings(max_days=None, max_gb=2.5, keep_evidence=False, memory_mb=10, flush_s=1)
    assert found.traces == TraceSettings(endpoint="http://127.0.0.1:4318", headers_env="H", share=0.5, service="s")
    assert (found.admin.token_env, found.logs) == ("MINE", LogSettings(file="-"))


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"capture": {"max_day": 1}}, "unknown name 'max_day'"),
        ({"capture": {"max_days": 0}}, "max_days must be more than zero"),
        ({"capture": {"keep_evidence": 1}}, "keep_evidence must be true or false"),
        ({"traces": {"endpoint": "localhost:4318"}}, "must be an address"),
        ({"traces": {"share": 2}}, "must be a share from 0 to 1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_with_its_place(raw, told):
    with pytest.raises(InputError, match=told) as caught:
        operate_settings(raw, "fairlead.toml [serve]")
    assert "fairlead.toml [serve." in str(caught.value)


def test_embeddings_are_an_operation_of_their_own():
    vectors = {"protocol": Protocol.OPENAI_EMBEDDINGS, "spoken": Protocol.OPENAI_EMBEDDINGS}
    [span] = spans_of(call(**vectors, request=b'{"model":"e","input":"a"}', response=b'{"data":[{"embedding":[1]}]}'))
    assert span.attributes["gen_ai.operation.name"] == "embeddings"
