"""The nine kinds of work: told by structure first, then by words, with reasons a finance lead can read."""

from __future__ import annotations

import json

import pytest

from core.workload.making import asks, embeds, said, text
from fairlead.core.nouns import Answer, Category, Failure, FailureKind, Message, Part, PartKind, Request, ToolCall
from fairlead.core.workload import CategoryTally

C = Category
PYTHON = "```python\ndef area(radius):\n    return 3.14159 * radius ** 2\n```"
THAI = "สวัสดีค่ะ อยากทราบว่าพัสดุของฉันจะมาถึงเมื่อไร"


def guessed(requests, answer="", language_of=None):
    tally = CategoryTally(language_of)
    for i, request in enumerate(requests):
        tally.add(
            request, answer(i) if callable(answer) else answer if isinstance(answer, Answer) else Answer(text=answer)
        )
    return tally.guess()


def many(system="", user=None, **more):
    return [asks(system, user or text(i), **more) for i in range(20)]


@pytest.mark.parametrize(
    ("category", "requests", "answer"),
    [
        (C.RETRIEVAL, [embeds(text(i), "voyage-3") for i in range(5)], Answer(embeddings=1)),
        (C.STRUCTURED, many("Read the letter.", fields=["sender", "date"]), '{"sender": "A", "date": "B"}'),
        (C.STRUCTURED, many("Do as you are told.", tools=["open_gate"]), Answer(tool_calls=(ToolCall(name="open_gate", arguments={}),))),
        (C.STRUCTURED, many("Which tray does the letter belong to? One of: in, out, urgent"), "urgent"),
        (C.CODING, many("You fix broken scripts."), f"The loop ran once too often.\n{PYTHON}"),
        (C.CODING, many("", "Port this to Go:\n" + PYTHON), "```go\nfunc area(r float64) float64 { return 3.14 * r * r }\n```"),
        (C.REASONING, many("", "A ferry carries 40 cars a trip and 7 trips a day. How many cars is that in 12 days?"), "40 * 7 = 280 and 280 * 12 = 3360."),
        (C.REASONING, many("Prove each statement, step by step, before you give the result."), "Thus it follows."),
        (C.RETRIEVAL, many("Answer from the passages below and cite the passage.", "<context>\nThe gate opens at nine.\n</context>\nWhen does it open?"), "At nine [1]."),
        (C.MULTILINGUAL, many("Be polite and short.", THAI), THAI),
        (C.MULTILINGUAL, many("Translate the letter into Vietnamese."), "Thư của bạn đã được gửi đến văn phòng thị trưởng hôm nay."),
        (C.SAFETY, many("Decide whether the post is hate speech, harassment or a threat."), "none"),
        (C.WRITING, many("Write a warm welcome speech for the guest."), "Dear guest, welcome to our town. " * 20),
    ],
)  # fmt: skip
def test_the_category_is_told_from_what_the_calls_are_like(category, requests, answer):
    guess = guessed(requests, answer)
    assert guess.category is category
    assert 0.4 < guess.confidence <= 1
    assert guess.reasons
    assert all("{" not in reason and len(reason) < 120 for reason in guess.reasons)


def with_parts(request: Request, *parts: Part) -> Request:
    message = Message(role="user", parts=(*request.messages[0].parts, *parts))
    return Request(endpoint=request.endpoint, model=request.model, system=request.system, messages=(message,))


@pytest.mark.parametrize(
    ("kind", "word"), [(PartKind.IMAGE, "images"), (PartKind.DOCUMENT, "PDF"), (PartKind.AUDIO, "recordings")]
)
def test_attached_media_decide_whatever_else_is_asked(kind, word):
    requests = [
        with_parts(request, Part(kind=kind, text="data:,x"))
        for request in many("Extract every field as JSON, step by step.")
    ]
    guess = guessed(requests, '{"a": 1}')
    assert guess.category is C.MULTIMODAL
    assert guess.reasons[0].startswith(word)
    assert "100 % of calls" in guess.reasons[0]
    assert C.STRUCTURED in guess.others


def run(number: int, steps: int):
    """The calls of one agent's run, each with the history so far."""
    messages: tuple[Message, ...] = (said(text(number)),)
    for step in range(steps):
        asked = asks("Put the workshop in order.", tools=["look", "move", "clean"])
        yield Request(endpoint=asked.endpoint, model="", system=asked.system, messages=messages, tools=asked.tools)
        call = Part(kind=PartKind.TOOL_CALL, call_id=str(step), name="look", arguments={})
        result = Part(kind=PartKind.TOOL_RESULT, call_id=str(step), text="a bench")
        messages += (Message(role="assistant", parts=(call,)), Message(role="tool", parts=(result,)))


def test_many_rounds_of_tool_calls_are_agentic_and_one_round_is_not():
    called = Answer(tool_calls=(ToolCall(name="look", arguments={}),))
    long = guessed([request for i in range(8) for request in run(i, 9)], called)
    short = guessed([request for i in range(30) for request in run(i, 2)], called)
    assert (long.category, short.category) == (C.AGENTIC, C.STRUCTURED)
    assert long.reasons[0].startswith(("calls follow", "runs take three or more rounds"))


def test_a_whole_run_logged_as_one_answer_is_agentic():
    turns = [{"role": "assistant", "tool_calls": [{}]}, {"role": "tool", "content": "x"}] * 4
    assert guessed(many("Serve the passenger."), json.dumps({"trajectory": turns})).category is C.AGENTIC


def test_figures_in_a_document_that_was_handed_over_are_looked_up_not_worked_out():
    requests = many(
        "Quote the clause, then answer.",
        "<document>\n1. Pay in 30 days.\n2. Notice is 6 months.\n</document>\nHow many months is the notice?",
    )
    assert guessed(requests, "Clause 2: the answer is 6 months.").category is C.RETRIEVAL


def test_one_exchange_without_any_sign_is_writing_with_no_confidence():
    guess = guessed([asks("", "and now?")], "Now we wait until the others are here.")
    assert (guess.category, guess.confidence) == (C.WRITING, 0.0)
    assert guess.reasons == ("nothing points to another kind of work",)


def test_nothing_read_is_nothing_claimed():
    guess = CategoryTally().guess()
    assert guess.confidence == 0
    assert guess.reasons == ("no exchange has been read yet",)


def test_failed_answers_and_missing_answers_are_no_evidence():
    failed = guessed(many("Write a warm welcome speech."), Answer(failure=Failure(kind=FailureKind.TIMEOUT)))
    tally = CategoryTally()
    for request in many("Write a warm welcome speech."):
        tally.add(request)
    assert failed == tally.guess()


def test_reasons_name_the_share_of_calls_and_the_languages():
    mixed = (
        many("Read the letter.", THAI, fields=["sender"])[:15]
        + many("Read the letter.", "Where is my parcel and when is it here?", fields=["sender"])[:5]
    )
    guess = guessed(mixed, '{"sender": "A"}')
    assert guess.category is C.STRUCTURED
    assert guess.reasons[0] == "answers are JSON of a fixed schema (100 % of calls)"
    assert C.MULTILINGUAL in guess.others
    thai = guessed(many("Be polite.", THAI), THAI)
    assert "people write in Thai (100 % of calls)" in thai.reasons


def test_the_language_of_latin_text_comes_from_whoever_knows():
    asked: list[str] = []

    def language_of(sample: str) -> str | None:
        asked.append(sample)
        return "sw"

    swahili = "Mzigo wangu haujafika na ninahitaji kujua lini utafika mjini."
    guess = guessed(many("Be polite and short, please.", swahili), swahili, language_of)
    assert guess.category is C.MULTILINGUAL
    assert any("Swahili" in reason for reason in guess.reasons)
    assert all(sample == swahili for sample in asked)


def test_only_a_sample_is_read_of_a_large_workload_and_the_verdict_is_the_same():
    tally = CategoryTally()
    for i in range(3_000):
        tally.add(asks("Read the letter.", text(i), fields=["sender"]), Answer(text='{"sender": "A"}'))
    assert tally.seen == 3_000
    assert 50 < tally.read < 200
    assert tally.guess() == guessed(many("Read the letter.", fields=["sender"]), '{"sender": "A"}')


def test_a_tally_survives_saving_and_tallies_add_up():
    one, two = CategoryTally(), CategoryTally()
    for i in range(30):
        (one if i % 2 else two).add(asks("Write a poem.", text(i)), Answer(text=text(i, 9)))
    again = CategoryTally.from_json(json.loads(json.dumps(one.to_json())))
    assert again.guess() == one.guess()
    both = again.merged(two)
    assert (both.seen, both.read) == (30, 30)
    assert both.guess().category is C.WRITING


@pytest.mark.parametrize(
    "hostile", ["{" * 50_000, "```" * 20_000, "a " * 100_000, "\x00\ud800", '"role": "tool"' * 9_000, "1=" * 40_000]
)
def test_hostile_texts_are_read_in_bounded_time(hostile):
    tally = CategoryTally()
    tally.add(asks(hostile, hostile), Answer(text=hostile))
    assert tally.guess().category in Category
