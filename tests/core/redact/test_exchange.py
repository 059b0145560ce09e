from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from fairlead.core.nouns import Answer, Exchange, Failure, FailureKind, Fidelity
from fairlead.core.redact import GIVEN, Policy, expected, redacted
from fairlead.core.wire.canonical import exchange_from_json, exchange_to_json
from fairlead.core.wire.key import request_key
from fairlead.core.wire.row import exchange as exchange_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ANN, PHONE = "ann.lee@corp.test", "+44 20 7946 0958"


def logged(text: str, answer: object = "Done.", **around: object) -> Exchange:
    row = {
        "id": "x1",
        "request": {"model": "gpt-4o", "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}]},
        "response": {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}]},
        **around,
    }  # fmt: skip
    return exchange_of(row, row_hash="a" * 32, source="log:1", now=NOW).exchange


def test_body_and_record_say_the_same(mask) -> None:
    plain = redacted(logged(f"I am {ANN}, {PHONE}", f"Hello {ANN}"), mask)
    assert plain.request.messages[0].text == "I am <email 1>, <phone 1>"
    assert plain.answer.text == "Hello <email 1>"
    again = exchange_from_json(exchange_to_json(plain), now=NOW)
    assert (again.request, again.answer) == (plain.request, plain.answer)
    assert "parsed" not in exchange_to_json(plain)


def test_nothing_found_leaves_the_same_exchange(mask) -> None:
    exchange = logged("Order CV-12345 of 2026-11-23 for £1,234.50", user="u-17", metadata={"team": "desk"})
    assert redacted(exchange, mask) is exchange
    assert mask.report.to_json() == {"exchanges": 1, "touched": 0, "dropped": 0, "places": {}}


def test_no_value_is_left_anywhere(mask) -> None:
    exchange = logged(
        f"Mail {ANN} or ring {PHONE}",
        f"I rang {PHONE}",
        user=ANN,
        conversation=f"chat-{ANN}",
        metadata={"contact": {"email": ANN, "notes": [f"rings from {PHONE}"]}},
    )
    kept = msgspec.json.encode(redacted(exchange, mask)).decode()
    assert ANN not in kept
    assert "7946" not in kept


def test_a_number_announced_once_goes_wherever_it_stands_in_the_exchange(mask) -> None:
    plain = redacted(logged("First 0791112345678 then: account number 0791112345678", '{"ref": "0791112345678"}'), mask)
    assert plain.request.messages[0].text == "First <bank account 1> then: account number <bank account 1>"
    assert json.loads(plain.answer.text) == {"ref": "<bank account 1>"}


def test_an_answer_is_not_left_over_token_by_token(mask) -> None:
    exchange = logged("Who?", f"Ask {ANN}")
    body = exchange.response_body
    assert isinstance(body, dict)
    body = {
        **body,
        "choices": [{**body["choices"][0], "logprobs": {"content": [{"token": "ann"}, {"token": ".lee@corp"}]}}],
    }
    kept = json.dumps(redacted(replace(exchange, response_body=body), mask).response_body)
    assert "ann" not in kept


def test_users_are_hashed_where_they_name_a_person_so_that_two_stay_two(mask) -> None:
    ann, bob = (redacted(logged("Hi", user=name), mask).user for name in (ANN, "bob@corp.test"))
    assert ann != bob
    assert ann is not None
    assert ann.startswith("<email ")
    assert redacted(logged("Hi", user="u-17"), mask).user == "u-17"


def test_hash_hides_every_user_and_keeps_them_apart(by_policy) -> None:
    redactor = by_policy(Policy.HASH)
    one, other = (redacted(logged("Hi", user=name), redactor).user for name in ("u-17", "u-18"))
    assert one != other
    assert "17" not in str(one)


def test_an_error_s_text_is_redacted(mask) -> None:
    exchange = replace(
        logged("Hi"),
        response_body=None,
        answer=Answer(failure=Failure(kind=FailureKind.SERVER_ERROR, detail=f"no mailbox {ANN}")),
    )
    failure = redacted(exchange, mask).answer.failure
    assert failure == Failure(kind=FailureKind.SERVER_ERROR, detail="no mailbox <email 1>")


def test_a_record_that_did_not_come_from_its_body_is_redacted_itself(mask) -> None:
    exchange = replace(logged(f"Mail {ANN}"), request_body=None, response_body=None)
    assert redacted(exchange, mask).request.messages[0].text == "Mail <email 1>"


def test_equal_requests_keep_equal_keys_and_masked_ones_are_flagged(mask) -> None:
    one, two = redacted(logged(f"Mail {ANN}"), mask), redacted(logged("Mail bob@corp.test"), mask)
    assert request_key(one.request) == request_key(two.request)
    assert Fidelity.REDACTED in one.fidelity
    assert (one.id, one.row_hash) == ("x1", "a" * 32)


def test_a_secret_alone_raises_no_flag(mask) -> None:
    plain = redacted(logged("use sk-proj-abcdEFGH1234567890abcd"), mask)
    assert plain.request.messages[0].text == "use <api key 1>"
    assert plain.fidelity == ()


def test_redacting_an_exchange_twice_changes_nothing(mask) -> None:
    once = redacted(logged(f"I am {ANN}, {PHONE}", f"Hello {ANN}", user=ANN, metadata={"m": ANN}), mask)
    assert redacted(once, mask) == once


def test_dropped_bodies_keep_counts_and_tell_equal_requests_from_others(by_policy) -> None:
    redactor = by_policy(Policy.DROP)
    one, same, other = (redacted(logged(text, "Yes"), redactor) for text in ("Is it?", "Is it?", "Was it?"))
    assert (one.request_body, one.response_body, one.answer.text) == (None, None, "")
    assert Fidelity.PROMPT_ABSENT in one.fidelity
    assert request_key(one.request) == request_key(same.request) != request_key(other.request)
    assert one.request.system == other.request.system != ""
    assert "Be kind" not in msgspec.json.encode(one).decode()
    assert redactor.report.dropped == 3


def test_the_report_counts_by_kind_and_never_holds_a_value(mask) -> None:
    redacted(logged(f"{ANN} {ANN} {PHONE}", f"{ANN} sk-proj-abcdEFGH1234567890abcd"), mask)
    report = mask.report.to_json()
    assert report["places"] == {"email": 3, "phone": 1, "api key": 1}
    assert ANN not in json.dumps(report)


@pytest.mark.parametrize("policy", [Policy.MASK, Policy.HASH])
def test_expected_answers_are_written_as_the_exchange_is(policy: Policy, by_policy) -> None:
    redactor = by_policy(policy)
    plain = redacted(logged(f"Mail bob@corp.test and {ANN}, tel {PHONE}", '{"to": "' + ANN + '"}'), redactor)
    wanted = expected({"to": ANN, "tel": PHONE, "n": 3, "note": "as agreed"}, plain, redactor)
    assert isinstance(wanted, dict)
    assert wanted["to"] == json.loads(plain.answer.text)["to"]
    assert wanted["tel"] in plain.request.messages[0].text
    assert (wanted["n"], wanted["note"]) == (3, "as agreed")


def test_without_the_key_the_notes_beside_placeholders_say_nothing(by_policy) -> None:
    plain = redacted(logged(f"Mail {ANN}"), by_policy(Policy.MASK))
    assert set(plain.metadata[GIVEN]) == {"<email 1>"}  # type: ignore[arg-type]
    assert expected(ANN, plain, by_policy(Policy.MASK, b"another" * 5)) == ANN


def test_under_hash_who_it_was_for_is_hashed_in_notes_and_parameters_too(by_policy) -> None:
    row = {
        "id": "x1",
        "request": {"model": "gpt-4o", "user": "ada-1815", "metadata": {"session": "s-9"}, "messages": [{"role": "user", "content": "Hello"}]},
        "response": {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}]},
        "conversation": "s-9",
        "metadata": {"user_id": "ada-1815", "tags": ["s-9", "blue"]},
    }  # fmt: skip
    before = exchange_of(row, row_hash="a" * 32, source="log:1", now=NOW).exchange
    assert (before.user, before.conversation) == ("ada-1815", "s-9")
    after = redacted(before, by_policy(Policy.HASH))
    kept = msgspec.json.encode(exchange_to_json(after)).decode()
    assert "ada-1815" not in kept
    assert "s-9" not in kept
    assert after.metadata["user_id"] == after.user
    assert after.metadata["tags"] == [after.conversation, "blue"]
    assert after.request.parameters["user"] == after.user
    assert redacted(after, by_policy(Policy.HASH)).user == after.user, "a hash is not hashed again"
