"""What becomes of a call: the row, its redaction, its workload, its cost, and the sums it is added to."""

from __future__ import annotations

from decimal import Decimal

import pytest

from edge.control.calls import ANSWER, STARTED_US, answering, asking, call, streaming
from fairlead.core.nouns import FailureKind, TokenPrice, Usage
from fairlead.core.redact import GIVEN, Policy, Redactor
from fairlead.edge.catalog.prices import Prices
from fairlead.edge.control.capture import Capture
from fairlead.edge.control.placing import Placing
from fairlead.edge.recognisers import Recognisers
from fairlead.edge.store import Ledger
from fairlead.edge.store.rollups import DOLLAR, NOTE, together
from fairlead.serve.frames import Attempt, Ended, Protocol, Served

SECRET = "sk-proj-" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7dE9fG1hJ3"


def capturing(policy=Policy.KEEP, **more):
    redactor = Redactor(Recognisers(), policy=policy, key=lambda: b"key")
    return Capture(redactor=redactor, price=Prices().cost_of, rate={"USD": Decimal(1)}.get, placing=Placing(), **more)


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "fairlead.db") as opened:
        yield opened


def keep(ledger, *calls, capture=None):
    lot = (capture or capturing()).read(calls)
    ledger.capture(lot.arrivals, lot.tallies)
    return lot


def sums(ledger):
    return together(tally for _, tally in ledger.rollups(since_us=0, until_us=2**62))


def test_a_captured_call_is_an_exchange_like_any_other(ledger):
    one = call(user="u1", conversation="c1")
    keep(ledger, one)
    [found] = ledger.exchanges()
    assert found.id == one.call_id
    assert found.request.system == "You answer customers of a parcel service."
    assert found.answer.text == "On its way."
    assert found.usage == Usage(fresh=1000, visible=100)
    assert (found.user, found.conversation, found.latency_s, found.source) == ("u1", "c1", 0.4, "gateway")
    assert found.metadata[NOTE]["served"] == "incumbent"


def test_what_a_batch_kept_is_read_back_as_it_was_read(ledger):
    capture = capturing(wanted=lambda _: True)
    lot = keep(ledger, call(), call(request=asking("And mine?"), streamed=True), capture=capture)
    kept = [each.exchange for each in lot.kept]
    found = list(ledger.exchanges())
    assert [(e.request, e.answer, e.usage, e.request_body) for e in found] == [
        (e.request, e.answer, e.usage, e.request_body) for e in kept
    ]


def test_bodies_that_come_again_are_kept_once_over_batches(ledger):
    capture = capturing()
    for _ in range(3):
        keep(ledger, call(), call(), capture=capture)
    assert (ledger.size().exchanges, ledger.size().bodies) == (6, 2)


def test_a_body_that_somebody_erased_meanwhile_is_kept_again(ledger):
    capture = capturing()
    keep(ledger, call(user="ann"), capture=capture)
    ledger.forget("ann")
    assert ledger.size().bodies == 0
    keep(ledger, call(), capture=capture)
    assert [found.answer.text for found in ledger.exchanges()] == ["On its way."]


def test_the_number_of_an_erased_body_that_another_body_got_is_not_believed(ledger):
    capture = capturing()
    keep(ledger, call(user="ann"), capture=capture)
    ledger.forget("ann")
    keep(ledger, call(request=asking("Other?"), response=answering("Else.")))
    keep(ledger, call(), capture=capture)
    assert [found.answer.text for found in ledger.exchanges()] == ["Else.", "On its way."]


def test_a_batch_that_is_tried_again_is_kept_and_counted_once(ledger):
    lot = capturing().read([call(key_id="k1"), call(key_id="k1")])
    ledger.capture(lot.arrivals, lot.tallies)
    ledger.capture(lot.arrivals, lot.tallies, again=True)
    assert ledger.size().exchanges == 2
    assert sums(ledger).calls == 2
    assert ledger.spent(since_us=0)["k1"].calls == 2


def test_secrets_never_reach_the_ledger_under_any_policy(ledger, tmp_path):
    said = f"My key is {SECRET}, please use it."
    keep(
        ledger,
        call(request=asking(said), response=answering(f"I used {SECRET}.")),
        call(request=b"{}", response=b"", ended=Ended.UPSTREAM_ERROR, problem=f"bad key {SECRET}", status=0),
        call(response=b"", ended=Ended.TIMEOUT, problem=f"timeout with {SECRET}", status=0),
        call(attempts=(Attempt(upstream="a", problem=SECRET), Attempt(upstream="b", status=200))),
    )
    exchange = next(iter(ledger.exchanges()))
    assert exchange.request.messages[0].text == "My key is <api key 1>, please use it."
    assert exchange.answer.text == "I used <api key 1>."
    assert all(SECRET not in repr(each) for each in ledger.exchanges())


def test_personal_data_is_masked_on_assembled_answers_where_the_policy_says_so(ledger):
    chunks = [
        {"model": "m", "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
        for piece in ("Write to ann.lee@", "example", ".org now")
    ]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    keep(ledger, call(response=streaming(*chunks, end), streamed=True), capture=capturing(Policy.MASK))
    [found] = ledger.exchanges()
    assert found.answer.text == "Write to <email 1> now"
    assert "<email 1>" in found.metadata[GIVEN]


def test_a_number_that_a_name_gives_away_is_masked_in_the_texts_too(ledger):
    phone = "+44 20 7946 0958"
    one = call(user=phone, request=asking("Call 020 7946 0958 or +44 20 7946 0958."))
    keep(ledger, one, capture=capturing(Policy.MASK))
    [found] = ledger.exchanges()
    assert "7946" not in repr(found)


def test_under_drop_no_text_is_kept_and_calls_are_still_counted(ledger):
    keep(ledger, call(), capture=capturing(Policy.DROP))
    [found] = ledger.exchanges()
    assert (found.request_body, found.response_body, found.answer.text) == (None, None, "")
    assert sums(ledger).fresh == 1000


def test_a_call_costs_what_the_price_list_says_at_its_date(ledger):
    keep(ledger, call(key_id="k1"))
    total = sums(ledger)
    assert total.usd == Decimal("0.00021")  # 1000 in at $0.15, 100 out at $0.60 per million
    assert total.saved_usd == 0
    assert ledger.spent(since_us=0)["k1"].cost == total.cost


def test_what_a_candidate_saves_is_the_incumbents_price_for_the_same_tokens(ledger):
    local = answering(model="acme-9b")
    prices = Prices({"acme-9b": [price("0.05", "0.10")]})
    capture = Capture(
        redactor=Redactor(Recognisers()), price=prices.cost_of, rate={"USD": Decimal(1)}.get, placing=Placing()
    )
    keep(ledger, call(response=local, served=Served.CANDIDATE, stage="moved", upstream="vllm"), capture=capture)
    assert sums(ledger).usd == Decimal("0.00006")
    assert sums(ledger).saved_usd == Decimal("0.00015")


def price(asked, answered):
    return TokenPrice(input=Decimal(asked), output=Decimal(answered))


def test_what_has_no_price_or_no_usage_is_counted_as_unknown_and_never_as_free(ledger):
    keep(ledger, call(model="acme-9b", response=answering(model="acme-9b")), call(response=answering(usage=None)))
    total = sums(ledger)
    assert (total.calls, total.unpriced, total.unmetered, total.cost) == (2, 2, 1, 0)


@pytest.mark.parametrize(
    ("more", "errors", "closed"),
    [
        ({"status": 500, "response": b'{"error":{"message":"no"}}'}, 1, 0),
        ({"status": 0, "response": b"", "ended": Ended.TIMEOUT}, 1, 0),
        ({"ended": Ended.CLIENT_CLOSED, "response": b'data: {"choices":[]}\n\n'}, 0, 1),
        ({"response": answering("")}, 1, 0),
        ({}, 0, 0),
    ],
)
def test_errors_are_counted_apart_from_callers_who_went_away(ledger, more, errors, closed):
    keep(ledger, call(**more))
    assert (sums(ledger).errors, sums(ledger).closed, sums(ledger).calls) == (errors, closed, 1)


@pytest.mark.parametrize(
    "more",
    [
        {"ended": Ended.REFUSED, "status": 401, "response": b""},
        {"protocol": Protocol.OPENAI_MODELS, "spoken": Protocol.OPENAI_MODELS, "request": b""},
        {"protocol": Protocol.ANTHROPIC_COUNT, "spoken": Protocol.ANTHROPIC_COUNT},
        {"request": b"no json", "status": 400, "response": b'{"error":{"message":"bad"}}'},
    ],
)
def test_calls_that_asked_no_model_are_counted_and_not_kept(ledger, more):
    keep(ledger, call(**more))
    assert (ledger.size().exchanges, sums(ledger).calls) == (0, 1)


def test_the_workload_that_the_data_plane_found_is_taken_over(ledger):
    keep(ledger, call(workload_id="w1", prompt_id="p1"))
    [row] = ledger.rows()
    assert (row.workload_id, row.prompt_id) == ("w1", "p1")
    assert [slot.workload_id for slot, _ in ledger.rollups(since_us=0, until_us=2**62)] == ["w1"]


def test_calls_are_added_up_by_hour_workload_model_key_and_side(ledger):
    hour = 3_600_000_000
    calls = [
        call(started_us=STARTED_US + at, key_id=who, served=side)
        for at in (0, hour)
        for who in ("a", None)
        for side in Served
    ]
    keep(ledger, *calls, *calls[:1], capture=capturing())
    rolled = ledger.rollups(since_us=0, until_us=2**62)
    assert len(rolled) == 8
    assert len({slot for slot, _ in rolled}) == 8
    assert together(tally for _, tally in rolled).calls == 9
    assert sum(together(tally for _, tally in rolled).latency) == 9


def test_one_call_that_trips_the_reading_costs_only_itself(ledger):
    capture = capturing()
    broken = call(started_us=10**30)
    keep(ledger, broken, call(), capture=capture)
    assert (ledger.size().exchanges, capture.unreadable) == (1, 1)


def test_a_partial_answer_is_kept_with_its_end(ledger):
    part = {"model": "m", "choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]}
    keep(ledger, call(response=streaming(part, done=False), streamed=True, ended=Ended.CLIENT_CLOSED))
    [found] = ledger.exchanges()
    assert found.response_body["choices"][0]["message"]["content"] == "Hel"
    assert found.answer.failure.kind is FailureKind.CUT
    assert found.metadata[NOTE]["ended"] == "client_closed"


def test_money_adds_up_exactly(ledger):
    keep(ledger, *(call(response=answering(usage={**ANSWER["usage"], "prompt_tokens": n})) for n in range(1, 300)))
    expected = sum(Decimal(n) * Decimal("0.15") + 60 for n in range(1, 300)) / 1_000_000
    assert Decimal(sums(ledger).cost) / DOLLAR == expected


def test_an_answer_that_was_paid_for_and_given_to_nobody_is_in_the_cost_and_saves_nothing(ledger):
    capture = Capture(
        redactor=Redactor(Recognisers(), policy=Policy.KEEP, key=lambda: b"key"),
        price=Prices(
            {"gpt-4o-mini": [price("1", "2")], "gpt-4o-mini-2024-07-18": [price("1", "2")], "small": [price("1", "1")]}
        ).cost_of,
        rate={"USD": Decimal(1)}.get,
        placing=Placing(),
    )
    thrown_away = Attempt(upstream="gpu", status=200, problem="unusable answer", model="small", input=1000, output=100)
    keep(ledger, call(attempts=(thrown_away, Attempt(upstream="openai", status=200))), capture=capture)
    keep(ledger, call(), capture=capture)
    total = sums(ledger)
    assert total.usd == 2 * Decimal("0.0012") + Decimal("0.0011")
    assert total.saved_usd == -Decimal("0.0011")


def test_the_cost_of_a_call_is_not_known_where_that_of_an_attempt_is_not(ledger):
    unknown = Attempt(upstream="gpu", status=200, problem="unusable answer", model="nobody-knows", input=1000, output=1)
    keep(ledger, call(attempts=(unknown, Attempt(upstream="openai", status=200))))
    assert sums(ledger).unpriced == 1
