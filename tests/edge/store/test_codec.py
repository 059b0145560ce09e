"""What is written is read back equal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings

from edge.store import samples
from fairlead.core.nouns import Answer, Category, CategoryGuess, PairRow, PilotDesign, Reply, Request, Usage, Workload
from fairlead.edge.store import codec

few = settings(max_examples=40, deadline=None)


def again(kind, value):
    return codec.record(kind, codec.decode(codec.encode(value)))


@few
@given(samples.designs)
def test_a_design_comes_back_equal_and_with_the_same_id(design):
    back = again(PilotDesign, design)
    assert back == design
    assert back.id == design.id


@few
@given(samples.replies)
def test_a_reply_comes_back_equal(reply):
    assert again(Reply, reply) == reply


@few
@given(samples.pair_rows)
def test_a_pair_comes_back_equal(row):
    assert again(PairRow, row) == row


@few
@given(samples.requests, samples.json_values)
def test_a_request_body_comes_back_with_the_request_it_was_read_as(request, raw):
    body = codec.request_body(raw, request)
    assert codec.body_parts(Request, body.data) == (raw, request)


@few
@given(samples.answers, samples.json_values)
def test_equal_bodies_have_one_name_and_other_bodies_another(answer, raw):
    body = codec.answer_body(raw, answer)
    assert codec.answer_body(raw, answer) == body
    assert codec.answer_body([raw], answer).hash != body.hash


def test_a_workload_comes_back_with_its_guess():
    guess = CategoryGuess(
        category=Category.CODING, confidence=0.75, reasons=("code fences",), others=(Category.AGENTIC, Category.WRITING)
    )
    workload = Workload(id="w1", name="review", guess=guess)
    assert again(Workload, workload) == workload


def test_money_keeps_every_digit():
    price = samples.TokenPrice(input=samples.EXACT_DECIMAL, output=Decimal("1E+3"))
    back = again(samples.TokenPrice, price)
    assert (str(back.input), str(back.output)) == (str(price.input), "1E+3")


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 1.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2])
def test_numbers_keep_their_value_and_kind(value):
    back = codec.decode(codec.encode(value))
    assert (repr(back), type(back)) == (repr(value), type(value))


def test_what_json_cannot_say_is_unknown():
    assert codec.decode(codec.encode([float("nan"), float("inf")])) == [None, None]


def test_a_field_that_was_added_takes_its_default_and_a_lost_one_is_left_out():
    assert codec.record(Usage, {"fresh": 3, "lost_since": 1}) == Usage(fresh=3)


@given(samples.texts)
def test_any_text_fits_a_column_and_comes_back(text):
    column = codec.kept(text)
    assert codec.shown(column) == text
    assert "\x00" not in column
    column.encode()


@given(samples.texts, samples.texts)
def test_different_texts_make_different_columns(one, other):
    assert (codec.kept(one) == codec.kept(other)) == (one == other)


@given(samples.texts.flatmap(lambda text: samples.st.integers(0, 400).map(lambda times: text * times)))
def test_a_key_fits_an_index_and_is_its_own_key(text):
    column = codec.key(text)
    assert len(column.encode()) <= 2000
    assert codec.key(codec.shown(column)) == column


def test_long_keys_that_differ_at_the_end_differ():
    assert codec.key("x" * 5000 + "a") != codec.key("x" * 5000 + "b")


@given(samples.moments)
def test_a_time_is_exact_to_the_microsecond(at):
    us = codec.microseconds(at)
    assert us is not None
    assert codec.moment(us) == at


def test_the_first_and_the_last_possible_time_are_kept():
    for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert codec.moment(codec.microseconds(at)) == at


def test_a_damaged_body_is_told_from_a_whole_one():
    with pytest.raises(ValueError, match="damaged"):
        codec.unpacker()(b"not compressed")


def test_bodies_are_smaller_than_what_they_hold():
    text = "the parcel is on its way to the customer " * 50
    body = codec.answer_body({"text": text}, Answer(text=text))
    packed = codec.packer()(body.data)
    assert len(packed) < len(text) / 4
    assert codec.unpacker()(packed) == body.data
