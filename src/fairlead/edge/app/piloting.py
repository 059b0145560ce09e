"""Pilot, wired: an order becomes designs with what they will cost, and designs become results in the ledger.

Rules kept here: everything that decides is fixed and stored before the first request; all pilots of one order are
declared together, so that the plan's list accounts for every question that was asked; nothing is sent before the host
was approved.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from fairlead.core.errors import UsageError
from fairlead.core.grade import GRADERS, Rule, fitting, graded, problem_with, settings_from
from fairlead.core.grade import grader as built_in
from fairlead.core.ids import plain
from fairlead.core.money import cost
from fairlead.core.nouns import (
    JSON,
    Asker,
    Candidate,
    Drawing,
    Engine,
    Estimand,
    Exchange,
    ExchangeRow,
    Money,
    PairRow,
    PilotDesign,
    TokenPrice,
    Workload,
)
from fairlead.core.ports import Grader
from fairlead.core.wire.candidate import candidate_body
from fairlead.core.workload.language import language
from fairlead.edge.app import judges
from fairlead.edge.app.desk import Desk
from fairlead.edge.app.judges import Fees, Panel
from fairlead.edge.app.privacy import expected_answers
from fairlead.edge.app.scanning import cost_of
from fairlead.edge.clients.address import address
from fairlead.edge.clients.http import Endpoint, candidate_endpoint, incumbent_endpoint
from fairlead.edge.labels import Labels, read_labels
from fairlead.edge.language import Languages
from fairlead.edge.plugins import load_grader
from fairlead.pilot import design as designs
from fairlead.pilot import on_file
from fairlead.pilot.design import Frame
from fairlead.pilot.progress import Progress
from fairlead.pilot.result import Ended, PilotResult
from fairlead.pilot.run import PausedPilot
from fairlead.pilot.run import run as run_pilot

LANGUAGES = Languages()

LOOKED_AT = 200
"""Exchanges read to say which parameters will not be sent and which grader suits."""

LIST_ALPHA = 0.05
"""The share of wrong entries that the plan's list may be expected to have."""

FEW_RIGHT = 0.05
"""A grader that finds fewer of the logged answers right than this is probably not the one that was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user asked for. `workloads` empty means every workload that can be graded.

    `people` says that the pilot collects pairs for people to see, to its last pair.
    """

    candidate: Candidate
    workloads: tuple[str, ...] = ()
    grader: str | None = None
    labels: Path | None = None
    margin: float
    alpha: float
    n_max: int
    seed: int
    timeout_s: float
    concurrency: int
    window: bool = False
    drawing: Drawing = designs.PLAIN
    constant: bool = False
    budget: Decimal | None = None
    price: TokenPrice | None = None
    reask: Asker | None = None
    stream: bool = False
    panel: Panel | None = None
    people: bool = False

    @property
    def compares(self) -> bool:
        """Whether pairs are compared, by judges or by people, rather than each answer graded."""
        return self.panel is not None or (self.people and self.grader is None and self.labels is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a pilot will take, before it starts. `requests` at most; cost and time are for that many, `None` if unknown."""

    requests: int
    cost: Money | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A pilot ready to run: its design, how to grade, and what a reader wants to know before it starts.

    `right_today` is the mean grade of the first logged answers where a rule with expected answers grades them.
    """

    workload: Workload
    design: PilotDesign
    changed: tuple[str, tuple[str, ...]] | None
    grader: Grader
    grader_name: str
    expected: Mapping[str, JSON] | None
    frame: Frame
    price: TokenPrice | None
    incumbent_price: TokenPrice | None
    estimate: Estimate
    not_sent: tuple[str, ...]
    right_today: float | None
    judge_prices: tuple[TokenPrice | None, ...] = ()
    fees: Fees | None = None


def prepare(desk: Desk, order: Order) -> tuple[Prepared, ...]:
    """The pilots of an order, with what they will take; nothing is kept yet. The dearest workload comes first."""
    for url in (order.candidate.endpoint, *([order.reask.endpoint] if order.reask else [])):
        address(url)
    labels = read_labels(order.labels) if order.labels is not None else None
    chosen = desk.chosen(order.workloads) if order.workloads else gradable(desk, order, labels)
    prepared = [prepare_one(desk, order, workload, labels) for workload in chosen]
    return tuple(sorted(prepared, key=lambda each: -spend(desk, each.frame.rows)))


def spend(desk: Desk, rows: Sequence[ExchangeRow]) -> Decimal:
    """About what these exchanges cost, from evenly chosen ones among them; 0 where no price is known.

    Chosen by id: several processes may have read the log, each in its own time, and the order of pilots does not hang on that.
    """
    seen = sorted(rows, key=lambda row: row.id)[:: max(1, len(rows) // LOOKED_AT)]
    costs = [money.amount for row in seen if (money := cost_of(desk, row).money) is not None]
    return sum(costs, Decimal(0)) / len(costs) * len(rows) if costs else Decimal(0)


def declare(desk: Desk, prepared: Sequence[Prepared]) -> None:
    """Keep the designs of all pilots of an order, before the first of them asks anything."""
    for each in prepared:
        desk.ledger.start_pilot(each.design)


def gradable(desk: Desk, order: Order, labels: Labels | None) -> list[Workload]:
    """Every workload that has expected answers; without labels, every workload."""
    everything = desk.ledger.workloads()
    if not everything:
        raise UsageError("The ledger holds no workloads yet; run fairlead scan LOGS first.")
    if order.compares:
        return [workload for workload in everything if judges.can_be_compared(workload)]
    if labels is None:
        if order.grader is None:
            raise UsageError(
                "Say how to grade: --labels FILE with expected answers, --grader FILE.py:FUNCTION, --grader agree (agreement "
                "with the incumbent), --judge MODEL@URL (what a judge prefers), or --people (what people prefer)."
            )
        return list(everything)
    labelled = {row.workload_id for row in desk.ledger.rows() if row.id in labels}
    found = [workload for workload in everything if workload.id in labelled]
    if not found:
        raise UsageError(f"No exchange in the ledger has an id that {order.labels} has an expected answer for.")
    return found


def prepare_one(desk: Desk, order: Order, workload: Workload, labels: Labels | None) -> Prepared:
    """One pilot: grader chosen, design proposed (or the stored one that asks the same), cost estimated."""
    rows = desk.ledger.rows(workload.id)
    known = {row.id for row in rows}
    expected = expected_answers(desk, workload.id, labels) if labels is not None and not order.compares else None
    looked_at = first_exchanges(desk, workload)
    name, grader = grading(desk, order, workload, labels=labels, expected=expected, looked_at=looked_at, rows=rows)
    panel = order.panel
    not_theirs = {row.id for row in rows if row.by_candidate}
    right = right_today(grader, [each for each in looked_at if each.id not in not_theirs], expected or {})
    if right is not None and is_suggested(order, labels, expected or {}):
        refuse_misfit(name, workload, right)
    labels_known = on_file.known(desk.ledger, workload.id, order.drawing, rows)
    design = designs.propose(
        workload_id=workload.id,
        rows=rows,
        candidate=order.candidate,
        grader=grader,
        margin=order.margin,
        timeout_s=order.timeout_s,
        expected=expected,
        labels_hash=labels.hash_of(known) if labels is not None and grader.needs_expected else None,
        alpha=order.alpha,
        n_max=order.n_max,
        seed=order.seed,
        estimand=Estimand.WINDOW if order.window else Estimand.LIKE_THIS,
        incumbent=order.reask,
        judging=None if panel is None else panel.judging(workload),
        reviewing=judges.reviewing_of(desk, panel, wanted=order.people),
        drawing=order.drawing,
        engine=Engine.CONSTANT if order.constant else None,
        known=labels_known,
    )
    stored = [entry.design for entry in desk.ledger.pilots()]
    design = designs.continued(design, stored, ran_out=ran_out(desk))
    frame = designs.frame_of(design, rows, grader, expected, labels_known)
    refuse_without_incumbent(frame, workload)
    price = price_of_candidate(desk, order)
    estimated = estimate(design, frame, price, concurrency=order.concurrency)
    judge_prices = judges.prices(desk, panel) if panel is not None else ()
    return Prepared(
        workload=workload,
        design=design,
        changed=designs.changed(design, stored),
        grader=grader,
        grader_name=name,
        expected=expected,
        frame=frame,
        price=price,
        incumbent_price=price_of_incumbent(desk, design) if order.reask is not None else None,
        estimate=estimated,
        not_sent=not_sent(order.candidate, looked_at),
        right_today=right,
        judge_prices=judge_prices,
        fees=judges.fees(frame.rows, judge_prices, estimated.requests) if panel is not None else None,
    )


def refuse_misfit(grader_name: str, workload: Workload, right: float) -> None:
    """Refuse a grader that was only suggested and finds nearly all logged answers wrong."""
    if right < FEW_RIGHT:
        raise UsageError(
            f"By the grader {grader_name}, which suits the expected answers of {workload.name!r}, the log's own answers are nearly "
            f"all wrong ({right:.0%} right). Name the grader that is meant with --grader, or {grader_name} if that is so."
        )


def refuse_without_incumbent(frame: Frame, workload: Workload) -> None:
    """Refuse a workload of which a candidate answered every call."""
    if not frame.rows and frame.by_candidate == frame.total:
        raise UsageError(
            f"All {frame.total:,} calls of {workload.name!r} were answered by a candidate, so there is no answer of the "
            "incumbent to compare with; let it be asked again with --reask URL."
        )


def grading(
    desk: Desk,
    order: Order,
    workload: Workload,
    *,
    labels: Labels | None,
    expected: Mapping[str, JSON] | None,
    looked_at: Sequence[Exchange],
    rows: Sequence[ExchangeRow],
) -> tuple[str, Grader]:
    """What a workload is graded by, by name and ready to be used."""
    if order.compares:
        if order.panel is not None:
            again = order.reask.model if order.reask is not None else None
            incumbents = sorted({*designs.incumbents(rows), *((again,) if again is not None else ())})
            judges.admit(desk, order.panel, workload, candidate=order.candidate.model, incumbents=incumbents)
        grader: Grader = judges.grader_of(order.panel, workload)
        return ("people" if order.panel is None else order.panel.judging(workload).name), grader
    name = grader_name(order, workload, labels, expected, looked_at)
    grader = grader_called(name, beside=order.labels, expected=expected or {})
    check(grader, expected or {}, order)
    return name, grader


def ran_out(desk: Desk) -> set[str]:
    """Pilots that used up their requests; with more traffic scanned they are begun anew."""
    return {
        entry.pilot_id
        for entry in desk.ledger.verdicts()
        if isinstance(entry.record, dict) and entry.record.get("ended") == Ended.RAN_OUT
    }


def first_exchanges(desk: Desk, workload: Workload) -> list[Exchange]:
    """The first exchanges of a workload."""
    found: list[Exchange] = []
    for exchange in desk.ledger.exchanges(workload.id):
        found.append(exchange)
        if len(found) == LOOKED_AT:
            break
    return found


def grader_name(
    order: Order,
    workload: Workload,
    labels: Labels | None,
    expected: Mapping[str, JSON] | None,
    looked_at: Sequence[Exchange],
) -> str:
    """How this workload is graded: as told, as its labels say, or by what suits the kind of work."""
    if order.grader is not None:
        return order.grader
    if not expected or labels is None:
        raise UsageError(
            f"{workload.name!r} has no expected answers; name a labels file with --labels, a function with --grader "
            "FILE.py:FUNCTION, or use --grader agree (agreement with the incumbent)."
        )
    told = {labels.graders[key] for key in expected if key in labels.graders}
    if len(told) > 1:
        raise UsageError(
            f"{order.labels} names several graders for {workload.name!r}: {', '.join(sorted(told))}; use one."
        )
    if told:
        return told.pop()
    found = fitting(workload.guess.category, looked_at[0].request, list(expected.values()))
    if found is None:
        raise UsageError(
            f"The expected answers of {workload.name!r} are prose, which no rule compares; name a function of yours, with "
            "grader in the labels file or --grader FILE.py:FUNCTION, or use --grader agree (agreement with the incumbent)."
        )
    return found


def grader_called(name: str, *, beside: Path | None, expected: Mapping[str, JSON]) -> Grader:
    """A built-in grader by its name, or a function of the user's; a relative file is looked for beside the labels.

    Settings that follow from the expected answers (the set of labels) are taken from `expected`.
    """
    if name in GRADERS:
        return built_in(name, settings=settings_from(name, expected.values()))
    file, colon, function = name.rpartition(":")
    if colon and beside is not None and file.endswith(".py") and not Path(file).exists():
        return load_grader(f"{beside.parent / file}:{function}")
    return load_grader(name)


def check(grader: Grader, expected: Mapping[str, JSON], order: Order) -> None:
    """Refuse expected answers that the grader cannot compare with, before anything is asked."""
    for exchange_id, value in expected.items():
        problem = problem_with(grader, value)
        if problem is not None:
            raise UsageError(
                f"{order.labels}: the expected answer of {exchange_id!r} does not suit the grader {grader.id}: {problem}"
            )


def is_suggested(order: Order, labels: Labels | None, expected: Mapping[str, JSON]) -> bool:
    """Whether nobody named the grader, neither on the command line nor in the labels."""
    return order.grader is None and not (labels is not None and any(key in labels.graders for key in expected))


def right_today(grader: Grader, looked_at: Sequence[Exchange], expected: Mapping[str, JSON]) -> float | None:
    """How good the first logged answers are by this rule: one that does not fit finds both sides wrong, which looks equal."""
    if not isinstance(grader, Rule) or not grader.needs_expected:
        return None
    scores = [
        graded(grader, exchange_id=each.id, request=each.request, answer=each.answer, expected=expected[each.id]).score
        for each in looked_at
        if each.id in expected and each.answer.failure is None
    ]
    return sum(scores) / len(scores) if scores else None


def price_of_candidate(desk: Desk, order: Order) -> TokenPrice | None:
    """The candidate's price: as told, as its settings say, or as the price list knows it at its host."""
    if order.price is not None:
        return order.price
    candidate = order.candidate
    if candidate.price is not None:
        return candidate.price
    return desk.prices.price_at(candidate.endpoint, candidate.model, desk.now)


def price_of_incumbent(desk: Desk, design: PilotDesign) -> TokenPrice | None:
    """What asking the incumbent again costs, when it is one model with a known price."""
    models = {design.incumbent.model} if design.incumbent and design.incumbent.model else set(design.incumbent_models)
    return desk.prices.price_of(models.pop(), None, desk.now) if len(models) == 1 else None


def estimate(design: PilotDesign, frame: Frame, price: TokenPrice | None, *, concurrency: int) -> Estimate:
    """At most this many requests, and what they cost and take if the candidate is as wordy and as quick as the incumbent."""
    requests = min(design.n_max, askable(design, frame))
    return Estimate(
        requests=requests,
        cost=scaled(frame.rows, price, requests),
        seconds=duration(frame.rows, requests, concurrency),
    )


def askable(design: PilotDesign, frame: Frame) -> int:
    """How many different requests there are to ask."""
    if design.estimand is Estimand.LIKE_THIS:
        return frame.distinct
    return len({row.request_key for row in frame.rows})


def scaled(rows: Sequence[ExchangeRow], price: TokenPrice | None, requests: int) -> Money | None:
    """The mean cost of the logged token counts at `price`, times `requests`; `None` when either is unknown."""
    if price is None:
        return None
    costs = [money.amount for row in rows if (money := cost(replace_cached(row).usage, price)) is not None]
    if not costs:
        return None
    return Money(amount=sum(costs, Decimal(0)) / len(costs) * requests, currency=price.currency)


def replace_cached(row: ExchangeRow) -> ExchangeRow:
    """The row as it would be billed elsewhere: another provider's cache is cold."""
    usage = row.usage
    return replace(row, usage=replace(usage, fresh=usage.input, cache_read=0, cache_write_5m=0, cache_write_1h=0))


def duration(rows: Sequence[ExchangeRow], requests: int, concurrency: int) -> float | None:
    """Seconds for `requests` when each takes the logged mean latency and `concurrency` are on their way."""
    latencies = [row.latency_s for row in rows if row.latency_s is not None]
    return sum(latencies) / len(latencies) * requests / concurrency if latencies else None


def not_sent(candidate: Candidate, looked_at: Sequence[Exchange]) -> tuple[str, ...]:
    """Logged parameters that the candidate is not sent."""
    names: dict[str, None] = {}
    for exchange in looked_at:
        names.update(dict.fromkeys(candidate_body(exchange.request, candidate).omitted))
    return tuple(names)


def hosts(order: Order) -> tuple[str, ...]:
    """Every host that traffic will go to."""
    urls = [order.candidate.endpoint, *([order.reask.endpoint] if order.reask else [])]
    urls += [judge.endpoint for judge in order.panel.judges] if order.panel is not None else []
    return tuple(dict.fromkeys(address(url).host for url in urls))


def run(
    desk: Desk,
    order: Order,
    prepared: Prepared,
    *,
    on_progress: Callable[[Progress], None],
    remaining: Decimal | None,
    proof: float = 0.0,
) -> PilotResult:
    """Run one pilot to its end and keep its result; `remaining` is what is left of the budget, `proof` as in `pilot.run`."""
    return asyncio.run(run_connected(desk, order, prepared, on_progress=on_progress, remaining=remaining, proof=proof))


def proof_for_the_list(declared: int, results: Sequence[PilotResult]) -> float:
    """The log of the e-value with which all that are proven alone stand on the plan's list together.

    The list is chosen among `declared` questions: k entries need e-values of declared / (alpha k) each.
    """
    entries = len({each.design.workload_id for each in results if is_proven_alone(each)})
    return math.log(declared / (LIST_ALPHA * entries)) if entries else 0.0


def is_proven_alone(result: PilotResult) -> bool:
    """Whether it may be listed once its proof is strong enough."""
    judged = result.judgement
    return judged.replace_ok and not judged.conflict and not judged.segments and not result.design.reviewing.wanted


async def run_connected(
    desk: Desk,
    order: Order,
    prepared: Prepared,
    *,
    on_progress: Callable[[Progress], None],
    remaining: Decimal | None,
    proof: float,
) -> PilotResult:
    """Run one pilot with connections open."""
    async with AsyncExitStack() as stack:
        candidate, incumbent = await connected(stack, order, prepared)
        judging, panel = prepared.design.judging, order.panel
        asked = await judges.connected(stack, judging.judges, timeout_s=order.timeout_s) if judging else []
        tested: dict[str, Any] | None = None
        if panel is not None:
            tested = await judges.tested(
                desk, panel, prepared.design, prepared.workload, prepared.frame.rows, ask=candidate, ask_judges=asked,
                known=(prepared.price, *prepared.judge_prices), budget=remaining, concurrency=order.concurrency,
            )  # fmt: skip
            remaining = less(remaining, tested)
        try:
            result = await run_pilot(
                prepared.design,
                ledger=desk.ledger,
                ask_candidate=candidate,
                ask_incumbent=incumbent,
                ask_judges=asked,
                rubric=None if panel is None else panel.rubric_for(prepared.workload),
                judge_prices=prepared.judge_prices,
                grader=prepared.grader,
                expected=prepared.expected,
                price=prepared.price,
                incumbent_price=prepared.incumbent_price,
                budget=remaining,
                proof=proof,
                concurrency=order.concurrency,
                progress=on_progress,
                language=partial(language, language_of=LANGUAGES),
            )
        except PausedPilot as paused:
            keep(desk, prepared, replace(with_logged_cost(desk, paused.result), controls=tested), order)
            raise
    result = replace(with_logged_cost(desk, result), controls=tested)
    keep(desk, prepared, result, order)
    return result


def less(budget: Decimal | None, tested: Mapping[str, Any] | None) -> Decimal | None:
    """What the controls left of a budget, never less than nothing: a pilot must know that it may ask no more."""
    if budget is None or tested is None:
        return budget
    spent = tested["spent"]
    return max(budget - (Decimal(spent) if spent is not None else tested["requests"]), Decimal("0.000001"))


def with_logged_cost(desk: Desk, result: PilotResult) -> PilotResult:
    """The result with what the incumbent's logged answers cost at their own dates; asked again, it knows that itself."""
    if result.design.incumbent is not None:
        return result
    rows = {row.id: row for row in desk.ledger.rows(result.design.workload_id)}
    found = logged_costs(desk, desk.ledger.pairs(result.pilot_id), rows)
    costs = [each for each in found if each is not None]
    total = None
    if len({each.currency for each in costs}) == 1:
        total = Money(amount=sum((each.amount for each in costs), Decimal(0)), currency=costs[0].currency)
    unknown = len(found) if total is None else len(found) - len(costs)
    return replace(result, incumbent=replace(result.incumbent, cost=total, cost_unknown=unknown))


def logged_costs(desk: Desk, pairs: Sequence[PairRow], rows: Mapping[str, ExchangeRow]) -> list[Money | None]:
    """What the logged answer in each pair cost at its own date; `None` where that is unknown or the exchange was erased."""
    return [None if (row := rows.get(each.pair.exchange_id)) is None else cost_of(desk, row).money for each in pairs]


async def connected(stack: AsyncExitStack, order: Order, prepared: Prepared) -> tuple[Endpoint, Endpoint | None]:
    """The endpoints that are asked, with their keys from the environment; closed with the stack."""
    candidate = candidate_endpoint(
        order.candidate,
        kind=prepared.workload.endpoint,
        environ=os.environ,
        timeout_s=order.timeout_s,
        stream=order.stream,
    )
    await stack.enter_async_context(candidate)
    if order.reask is None:
        return candidate, None
    incumbent = incumbent_endpoint(order.reask, environ=os.environ, timeout_s=order.timeout_s, stream=order.stream)
    return candidate, await stack.enter_async_context(incumbent)


def keep(desk: Desk, prepared: Prepared, result: PilotResult, order: Order) -> None:
    """Write down a pilot's result, with what is needed to tell later whether it is out of date."""
    record: dict[str, Any] = {
        **result.to_json(),
        "workload": {"id": prepared.workload.id, "name": prepared.workload.name},
        "grader_name": prepared.grader_name,
        "labels": str(order.labels.resolve()) if order.labels is not None else None,
        "price": prepared.price,
        "distinct": prepared.frame.distinct,
    }
    desk.ledger.add_verdict(result.pilot_id, plain(record))
