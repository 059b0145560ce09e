from __future__ import annotations

import itertools
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.redact import Finder, Policy, Redactor
from fairlead.edge.recognisers import Recognisers

CHECKS = Recognisers()
PIECES = st.sampled_from(
    [
        "ann@example.org", "+44 20 7946 0958", "SSN 536-90-4399", "card 4000 0000 0000 1232", "sk-abcdefGHIJ1234567890xyz",
        "password: hunter22", "https://a:b1c2d3e4@host.example", "order 12345678", "2026-11-23", "phone 0912345678", "<email 1>",
        "\\n", '"', "{", "}", ":", ",", "\n", " ", "ü", "@", "+", "--", "eyJ", "0", "A1", "\\", "token=",
        "api_key", "--password ", "hunter22", "Authorization: ", "Cookie: sid=a1b2c3d4e5f6g7h8i9j0; ", '"name": "api_key", "value": "',
        "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0", "de89370400440532013000", "?sig=", "<password>", "</", " | ", "auth",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=200), st.lists(PIECES, max_size=14).map("".join), st.lists(PIECES, max_size=14).map(" ".join)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
LONGEST = len("<bank account abcdefghijkl>")


@given(TEXTS, st.sampled_from([Policy.MASK, Policy.HASH, Policy.KEEP]))
def test_redacting_twice_changes_nothing(text: str, policy: Policy) -> None:
    once = Redactor(CHECKS, policy=policy).text(text)
    assert Redactor(CHECKS, policy=policy).text(once) == once


@given(TEXTS)
def test_a_text_without_findings_is_the_same_object(text: str) -> None:
    found = Finder(CHECKS).find(text)
    assert (Redactor(CHECKS).text(text) is text) == (not found)


@given(TEXTS)
def test_a_text_grows_by_no_more_than_its_placeholders(text: str) -> None:
    each = Redactor(CHECKS).pass_over()
    assert len(each.text(text)) <= len(text) + LONGEST * each.found.total()


@given(TEXTS)
def test_findings_stand_in_order_and_apart(text: str) -> None:
    found = Finder(CHECKS).find(text)
    assert all(0 <= hit.start < hit.end <= len(text) for hit in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))


@given(VALUES)
def test_json_stays_json_also_inside_a_text(value: object) -> None:
    written = json.dumps(value)
    json.loads(Redactor(CHECKS).text(written))
    json.dumps(Redactor(CHECKS).value(json.loads(written)))


def test_equal_values_get_equal_placeholders_however_they_are_written(mask: Redactor) -> None:
    assert mask.text("a@x.org b@x.org A@X.org") == "<email 1> <email 2> <email 1>"
    assert mask.text("tel +44 20 7946 0958 tel +442079460958") == "tel <phone 1> tel <phone 1>"


def test_a_hash_is_equal_everywhere_and_different_under_another_key(by_policy) -> None:
    one, other = by_policy(Policy.HASH), by_policy(Policy.HASH, b"other" * 8)
    assert one.text("ann@example.org") == one.text("ANN@example.org") != one.text("bob@example.org")
    assert one.text("ann@example.org") != other.text("ann@example.org")
    assert one.text("ann@example.org").startswith("<email ")


def test_the_mailbox_of_a_desk_is_no_person_s(mask: Redactor) -> None:
    text = "You sort what reaches service@corvane.example; answer from no-reply@corvane.example."
    assert mask.text(text) is text


def test_keep_keeps_what_is_personal(by_policy) -> None:
    text = "ann@example.org, +44 20 7946 0958"
    assert by_policy(Policy.KEEP).text(text) is text


def test_a_number_that_a_placeholder_would_break_becomes_a_text(mask: Redactor) -> None:
    written = '{"card": 4000000000001232, "n": 3}'
    assert json.loads(mask.text(written)) == {"card": "<card 1>", "n": 3}
    assert mask.value({"card_number": 4000000000001232, "created": 1700000000}) == {
        "card_number": "<card 1>",
        "created": 1700000000,
    }


def test_mail_addresses_go_from_keys_too(mask: Redactor) -> None:
    assert mask.value({"ann@example.org": [1]}) == {"<email 1>": [1]}


def test_pictures_and_vectors_pass_untouched(mask: Redactor) -> None:
    picture = "data:image/png;base64," + "AKIAQ3EXAMPL7ZSECRETiVBORw0KGgo" * 50
    vector = [0.25] * 1536
    body = {"url": picture, "embedding": vector}
    assert mask.value(body) is body


def test_what_is_nested_too_deeply_is_not_kept(mask: Redactor) -> None:
    value: object = "ann@example.org"
    for _ in range(900):
        value = [value]
    assert "ann@example.org" not in json.dumps(mask.value(value))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "piece",
    ["a@", "a@a.aa", "0", "01234 567890 ", "1 ", "12-", "A00 ", "AB12 ", "sk-", "eyJa.", "://a:", "password", "key=", "-----BEGIN ",
     "x" * 17 + " ", "tel ", "+1", "((", "\\n", "Bearer ", "é1", "=", '"', "secret:", "password|", "cookie:a=", "authorization: digest ", "--password ",
     "sk-" + "aB3" * 20 + "\\n", "a" * 64 + "\n", "gb82 west "],
)  # fmt: skip
def test_time_is_linear_in_hostile_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        started = time.process_time()
        Finder(CHECKS).find(text)
        return time.process_time() - started

    seconds(10_000)
    small, large = seconds(50_000), seconds(400_000)
    assert large < max(0.05, small) * 8 * 3


@settings(max_examples=20)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_remembering_changes_no_answer(texts: list[str]) -> None:
    finder = Finder(CHECKS)
    assert [finder.find(t) for t in texts * 2] == [Finder(CHECKS).find(t) for t in texts * 2]


def test_names_of_fields_that_are_longer_than_names_are_looked_at_and_not_remembered() -> None:
    redactor = Redactor(CHECKS, policy=Policy.MASK)
    long = {f"{number} {'n' * 5_000}": "said" for number in range(200)}
    assert redactor.value(long) is long
    assert redactor.value({f"{'n' * 5_000} ann@example.org": "x"}) == {f"{'n' * 5_000} <email 1>": "x"}
    assert not redactor._finder.clean_names
    assert redactor.value({"note": "said"}) == {"note": "said"}
    assert redactor._finder.clean_names == {"note": ""}
