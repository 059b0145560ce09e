"""How the public names are used; a type checker reads this file and nobody runs it."""

from decimal import Decimal
from typing import assert_type

from fairlead.core.evidence import Evidence, Forecast, Interval, Judgement, VerdictKind, Watch, forecast
from fairlead.core.grade import grader
from fairlead.core.money import cost, parse_price
from fairlead.core.nouns import Answer, Endpoint, Grade, Money, Request, TokenPrice, Usage
from fairlead.core.workload import Assignment, Grouper


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
