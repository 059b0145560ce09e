"""Two hands agree: the solvers of the simulated model, and the labels the generator wrote."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from tests.demo.written import Written

import fairlead.demo
from fairlead.core.grade import grader
from fairlead.core.nouns import Request
from fairlead.core.redact import Policy, Redactor, expected, redacted
from fairlead.core.wire import anthropic, openai
from fairlead.core.wire.row import exchange
from fairlead.demo import user_graders
from fairlead.demo.organisation import NOW
from fairlead.demo.simulated import bodies, prompt, solvers
from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.rates import FAULTS, RATES, Side, true_difference, true_rate
from fairlead.edge.recognisers import Recognisers

DEMO = Path(fairlead.demo.__file__).parent
NAMES = {
    "sql": "analyst queries",
    "refund": "refund questions",
    "handbook": "handbook questions",
    "contract": "clause lookup",
    "planning": "planning sums",
    "exam": "exam keys",
    "note": "call notes",
    "invoice": "supplier invoices",
    "ticket": "ticket queues",
    "slot": "slot desk",
    "payment": "payment desk",
    "agent": "case work",
    "chart": "yard charts",
    "listing": "listing checks",
}


def is_right(row: Mapping[str, Any], label: Mapping[str, Any], response: Mapping[str, Any] | None = None) -> bool:
    """Grade an answer (the logged one unless another is given) as the label's grader does."""
    logged = anthropic if "system" in row["request"] else openai
    request = logged.request(row["request"])
    answer, _ = logged.answer(row["response"]) if response is None else openai.answer(dict(response))
    if answer.failure:
        return False
    spec = label["grader"]
    if ".py:" in spec:
        own: Callable[..., bool] = getattr(user_graders, spec.partition(":")[2])
        return own(request, answer, label["expected"])
    return grader(spec).grade(request=request, answer=answer, expected=label["expected"], incumbent=None).score == 1


def distinct(written: Written, kind: str) -> Iterator[tuple[prompt.Prompt, Mapping[str, Any], Mapping[str, Any]]]:
    """Labelled requests of a kind, each once, with row and label."""
    seen = set[str]()
    for row in written.of_job(NAMES[kind]):
        label = written.labels.get(row["id"])
        if label and isinstance(row["request"]["messages"], list):
            asked = prompt.read(row["request"])
            if asked.key not in seen:
                seen.add(asked.key)
                yield asked, row, label


def completion(said: solvers.Said) -> dict[str, Any]:
    return bodies.chat_completion(bodies.Told(said=said, model="m", id="a" * 28, created=1, prompt=1))


@pytest.mark.parametrize("kind", RATES)
def test_a_right_answer_agrees_with_the_label_and_a_mistake_never_does(written: Written, kind: str) -> None:
    for index, (asked, row, label) in enumerate(distinct(written, kind)):
        if index == 120:
            break
        assert solvers.kind_of(asked) == kind
        draws = Draws(index, asked.key)
        right = solvers.SOLVERS[kind](asked, draws, right=True)
        wrong = solvers.SOLVERS[kind](asked, draws, right=False)
        assert is_right(row, label, completion(right)), (right, label)
        assert not is_right(row, label, completion(wrong)), (wrong, label)


@pytest.mark.parametrize("kind", RATES)
def test_mistakes_come_in_the_right_format(written: Written, kind: str) -> None:
    shapes: dict[bool, Counter[str]] = defaultdict(Counter)
    for index, (asked, _, _) in enumerate(distinct(written, kind)):
        if index == 100:
            break
        for right in (True, False):
            said = solvers.SOLVERS[kind](asked, Draws(1, asked.key), right=right)
            shapes[right][shape_of(said)] += 1

    usual = shapes[True].most_common(1)[0][0]
    assert shapes[False][usual] >= 0.75 * shapes[False].total()


@pytest.mark.parametrize("kind", RATES)
def test_masked_requests_are_answered_as_the_masked_labels_want(written: Written, kind: str) -> None:
    redactor = Redactor(Recognisers(), policy=Policy.MASK, key=lambda: bytes(32))
    for _, row, label in islice(distinct(written, kind), 40):
        read_row = exchange(row, row_hash="0" * 32, source="", now=NOW)
        kept = redacted(read_row.exchange, redactor)
        asked = prompt.read(openai.body_of(kept.request, model="m"))
        said = solvers.SOLVERS[kind](asked, Draws(1, asked.key), right=True)
        masked = {**label, "expected": expected(label["expected"], kept, redactor)}

        assert solvers.kind_of(asked) == kind
        assert is_right(row, masked, completion(said))


def shape_of(said: solvers.Said) -> str:
    """What an answer looks like from afar."""
    if said.tool:
        return "call"
    return "json" if said.text.startswith("{") else "code" if said.text.startswith("```") else "text"


@pytest.mark.parametrize("kind", RATES)
def test_the_log_holds_the_closed_model_at_its_documented_rate(written: Written, kind: str) -> None:
    outcomes = [is_right(row, label) for _, row, label in distinct(written, kind)]
    rate, known = sum(outcomes) / len(outcomes), true_rate(kind, Side.CLOSED)

    assert abs(rate - known) < 3.5 * (known * (1 - known) / len(outcomes)) ** 0.5


@pytest.mark.parametrize("kind", RATES)
def test_the_open_model_is_right_at_its_documented_rate(written: Written, kind: str) -> None:
    outcomes = []
    for index, (asked, row, label) in enumerate(distinct(written, kind)):
        if index == 300:
            break
        said = solvers.answer(asked, side=Side.OPEN, draws=Draws(7, asked.key))
        outcomes.append(is_right(row, label, completion(said)))
    rate, known = sum(outcomes) / len(outcomes), RATES[kind].open

    assert abs(rate - known) < 3.5 * (known * (1 - known) / len(outcomes)) ** 0.5


@pytest.mark.parametrize("side", Side)
def test_draws_keep_to_the_documented_rates(side: Side) -> None:
    draws = [Draws(7, f"request {index}") for index in range(5_000)]
    lost = Counter(each.fault(side) for each in draws)
    turned_away = Counter(each.first_refusal(side) for each in draws)
    faults = FAULTS[side]
    told = [(lost["hang"], faults.hang), (lost["cut"], faults.cut)]
    told += [(turned_away[429], faults.limited), (turned_away[503], faults.unavailable)]
    told += [(sum(each.is_right(side, kind) for each in draws), rate.of(side)) for kind, rate in RATES.items()]

    for count, rate in told:
        assert abs(count / len(draws) - rate) < 4 * (rate * (1 - rate) / len(draws)) ** 0.5


def test_some_open_leads_some_equal_some_behind() -> None:
    differences = [true_difference(kind) for kind in RATES if kind != "contract"]

    assert sum(each > 0.05 for each in differences) == 2
    assert sum(abs(each) < 0.01 for each in differences) == 7
    assert sum(each < -0.08 for each in differences) == 4
    assert -0.05 < true_difference("contract") < -0.02


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_the_simulated_models_share_nothing_with_the_tasks_or_the_graders() -> None:
    simulated = {name for path in (DEMO / "simulated").rglob("*.py") for name in imports_of(path)}
    jobs = {name for path in (DEMO / "jobs").rglob("*.py") for name in imports_of(path)}

    own = {name for name in simulated if name.startswith("fairlead")}
    assert {name for name in own if not name.startswith("fairlead.demo.simulated")} == set()
    assert not any(name.startswith("fairlead.demo.simulated") for name in jobs)
    assert not any("grade" in name for name in simulated | jobs)


def test_requests_of_strangers_are_told_that_this_is_a_simulation() -> None:
    asked = prompt.read({"messages": [{"role": "user", "content": "How tall is the Eiffel tower?"}]})
    said = solvers.answer(asked, side=Side.OPEN, draws=Draws(1, asked.key))
    assert "simulated" in said.text


def test_a_known_prompt_with_an_unreadable_question_is_not_an_error() -> None:
    for words in solvers.WORDS.values():
        body = {"messages": [{"role": "system", "content": words}, {"role": "user", "content": "?"}]}
        asked = prompt.read(body)
        assert solvers.answer(asked, side=Side.OPEN, draws=Draws(1, asked.key)) == solvers.UNKNOWN


def test_the_same_request_is_the_same_in_both_dialects(written: Written) -> None:
    for row in written.of_job("case work")[:50]:
        request: Request = anthropic.request(row["request"])
        assert prompt.read(openai.body_of(request, model="m")).key == prompt.read(row["request"]).key
