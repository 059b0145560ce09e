"""How the public names are used; a type checker reads this file and nobody runs it."""

from decimal import Decimal
from typing import assert_type

from fairlead.core.evidence import Evidence, Forecast, Interval, Judgement, VerdictKind, Watch, forecast
from fairlead.core.grade import grader
from fairlead.core.money import cost, parse_price
from fairlead.core.nouns import JSON, Answer, Candidate, Endpoint, Grade, Money, Request, TokenPrice, Usage
from fairlead.core.wire.candidate import live_body
from fairlead.core.wire.translate import Problem, cross
from fairlead.core.workload import Assignment, Grouper
from fairlead.serve.snapshot import TargetNow


def judged() -> None:
    evidence = Evidence(margin=0.05).after([1.0, 0.0, -1.0])
    assert_type(evidence, Evidence)
    assert_type(evidence.interval(), Interval)
    assert_type(evidence.judge(), Judgement)
    assert_type(evidence.judge().verdict, VerdictKind)
    assert_type(forecast(evidence), Forecast)
    watch = Watch(0.05)
    watch.add(0.5)
    assert_type(watch.decided, bool)


def graded() -> None:
    request = Request(endpoint=Endpoint.CHAT, model="m")
    grade = grader("number").grade(request=request, answer=Answer(text="42"), expected=42, incumbent=None)
    assert_type(grade, Grade)


def priced() -> None:
    price = parse_price("0.10,0.40")
    assert_type(price, TokenPrice)
    assert_type(cost(Usage(fresh=10, visible=5), price), Money | None)
    assert_type(price.input, Decimal)


def grouped() -> None:
    assert_type(Grouper().assign(Request(endpoint=Endpoint.CHAT, model="m")), Assignment)


def translated() -> None:
    crossing = cross("anthropic.messages", to="openai", body={}, model="m", name="n", now=1)
    assert_type(crossing.request, dict[str, JSON])
    assert_type(crossing.notes, tuple[str, ...])
    assert_type(crossing.answer(b"{}"), bytes)
    assert_type(crossing.error(500, b""), Problem)
    assert_type(crossing.stream().feed(b""), bytes)
    made = live_body({}, TargetNow(upstream="open"), protocol="openai.chat")
    assert_type(made.body, dict[str, JSON])
    assert_type(live_body({}, Candidate(endpoint="e", model="m"), protocol="openai.chat").omitted, tuple[str, ...])
