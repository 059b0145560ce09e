"""Plan, wired: the ledger's workloads and pilots become facts, the facts become ordered moves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from fairlead import plan, scan
from fairlead.core.errors import FairleadError
from fairlead.core.ids import digest
from fairlead.core.judge import PEOPLE
from fairlead.core.moves import PilotFacts, Plan, Skipped, WorkloadFacts
from fairlead.core.nouns import Estimand, ExchangeRow, Money, PairRow, PilotDesign, TokenPrice, Workload
from fairlead.core.span import LogSpan
from fairlead.edge.app.desk import Desk
from fairlead.edge.app.piloting import grader_called, logged_costs
from fairlead.edge.app.scanning import cost_of
from fairlead.edge.currency import rates
from fairlead.edge.labels import Labels, read_labels
from fairlead.edge.store.ledger import PilotEntry
from fairlead.pilot import result as results
from fairlead.pilot.design import incumbents


def make(desk: Desk, *, currency: str, simulated: bool = False) -> Plan:
    """The plan from everything in the ledger, kept there as well."""
    rows = desk.ledger.rows()
    log = scan.span(rows)
    grouped: dict[str, list[ExchangeRow]] = defaultdict(list)
    for row in rows:
        grouped[row.workload_id or ""].append(row)
    workloads = [facts(desk, w, grouped[w.id], log) for w in desk.ledger.workloads() if w.id in grouped]
    on_file = files(desk)
    pilots = [one_pilot(desk, on_file, entry, grouped.get(entry.design.workload_id, ())) for entry in on_file.pilots]
    exchange_rates = rates(currency, currencies(workloads, pilots), today=desk.now.date())
    made = plan.order(
        workloads,
        pilots,
        made_at=desk.now,
        span=log,
        rates=exchange_rates,
        skipped=skipped(desk),
        price_notes=price_notes(pilots),
        simulated=simulated,
    )
    desk.ledger.add_plan(made.to_json())
    return made


def facts(desk: Desk, workload: Workload, rows: Sequence[ExchangeRow], log: LogSpan | None) -> WorkloadFacts:
    """What the log says about one workload."""
    shape = scan.shape(rows, [cost_of(desk, row) for row in rows], log=log)
    return WorkloadFacts(
        id=workload.id,
        name=workload.name,
        category=workload.guess.category,
        calls=shape.calls,
        costs=shape.costs,
        unknown_costs=shape.unpriced,
        unknown_reasons=tuple(shape.unpriced_reasons),
        assumed_dates=shape.assumed_dates,
        daily_calls=shape.daily,
        input_tokens=shape.input_tokens,
        output_tokens=shape.output_tokens,
        latency_p50_s=shape.latency_p50_s,
        latency_p95_s=shape.latency_p95_s,
        by_candidate=shape.by_candidate,
        incumbents=tuple(shape.models),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Every pilot on file with its pairs and newest verdict record, read once; labels files as they are asked for."""

    pilots: tuple[PilotEntry, ...]
    pairs: Mapping[str, Sequence[PairRow]]
    records: Mapping[str, dict[str, Any]]
    labels: dict[Path, Labels | None] = field(default_factory=dict[Path, Labels | None])

    def labels_at(self, path: Path) -> Labels | None:
        """A labels file as it is today, `None` when it cannot be read any more."""
        if path not in self.labels:
            try:
                self.labels[path] = read_labels(path)
            except FairleadError:
                self.labels[path] = None
        return self.labels[path]


def files(desk: Desk) -> Files:
    """What the ledger holds of pilots."""
    pilots = tuple(desk.ledger.pilots())
    records = {entry.pilot_id: entry.record for entry in desk.ledger.verdicts() if isinstance(entry.record, dict)}
    return Files(pilots=pilots, pairs={entry.id: desk.ledger.pairs(entry.id) for entry in pilots}, records=records)


def one_pilot(desk: Desk, on_file: Files, entry: PilotEntry, rows: Sequence[ExchangeRow]) -> PilotFacts:
    """What one pilot has shown, with costs of both sides on its pairs."""
    design, pairs, record = entry.design, on_file.pairs[entry.id], on_file.records.get(entry.id)
    by_id = {row.id: row for row in rows}
    left = distinct_left(record, pairs) if design.estimand is Estimand.LIKE_THIS else None
    return plan.pilot_facts(
        design,
        pairs,
        price=price_of(desk, design, record),
        incumbent_costs=incumbent_costs(desk, design, pairs, by_id),
        known=desk.ledger.on_file(entry.id),
        distinct_left=left,
        out_of_date=out_of_date(on_file, entry, rows),
        preferences=desk.ledger.preferences(entry.id),
    )


def distinct_left(record: Mapping[str, Any] | None, pairs: Sequence[PairRow]) -> int | None:
    """How many distinct requests can still be drawn."""
    distinct = record.get("distinct") if record else None
    return max(0, distinct - len(pairs)) if isinstance(distinct, int) else None


def price_of(desk: Desk, design: PilotDesign, record: Mapping[str, Any] | None) -> TokenPrice | None:
    """The candidate's price: given now, else the one the pilot ran with, else as the price list knows it."""
    own = desk.own_prices.get(design.candidate.model)
    if own is not None:
        return own
    kept = record.get("price") if record else None
    if isinstance(kept, dict):
        return msgspec.convert(kept, TokenPrice)
    return desk.prices.price_at(design.candidate.endpoint, design.candidate.model, desk.now)


def incumbent_costs(
    desk: Desk, design: PilotDesign, pairs: Sequence[PairRow], by_id: Mapping[str, ExchangeRow]
) -> list[Money | None]:
    """What the incumbent's answer in each pair cost: the logged one at its date, or the fresh one at today's price."""
    if design.incumbent is None:
        return logged_costs(desk, pairs, by_id)
    costs: list[Money | None] = []
    for pair in pairs:
        row = by_id.get(pair.pair.exchange_id)
        model, provider = asked_again(design, row) if row is not None else (None, None)
        again = model and desk.prices.cost_of(model, provider, pair.incumbent_usage, desk.now)
        costs.append(again.money if again else None)
    return costs


def asked_again(design: PilotDesign, row: ExchangeRow) -> tuple[str | None, str | None]:
    """Which model, at which provider, answered a request again; no model where it cannot be told."""
    if not row.by_candidate:
        return row.model, row.provider
    named = design.incumbent.model if design.incumbent is not None else None
    only = design.incumbent_models[0] if len(design.incumbent_models) == 1 else None
    return named or only, None


def out_of_date(on_file: Files, entry: PilotEntry, rows: Sequence[ExchangeRow]) -> tuple[str, ...]:
    """Why this pilot's verdict no longer stands on what is there now; empty while it does."""
    design, record = entry.design, on_file.records.get(entry.id)
    then = results.basis(design, on_file.pairs[entry.id], decided_at=None)
    dated = [row.started_at for row in rows if row.started_at is not None]
    models = incumbents(rows) if grew(design, rows) else then.incumbent_models
    prompts = {row.prompt_id for row in rows if row.prompt_id is not None} | set(design.prompt_ids)
    now = results.Basis(
        candidate=then.candidate,
        candidate_models=newest_models(on_file, entry),
        incumbent_models=models,
        grader=grader_now(record, design),
        labels_hash=labels_now(on_file, record, design, rows),
        prompts=digest(sorted(prompts), size=8),
        log_from=min(dated, default=None),
        log_to=max(dated, default=None),
    )
    return results.out_of_date(then, now)


def grew(design: PilotDesign, rows: Sequence[ExchangeRow]) -> bool:
    """Whether the log has rows the design did not know: only those can bring in another model."""
    return any(row.seq > design.frozen_seq for row in rows)


def newest_models(on_file: Files, entry: PilotEntry) -> tuple[str, ...]:
    """The version the candidate says it is in a later pilot of any workload, when that is another one."""
    newest: tuple[str, ...] = ()
    later = on_file.pilots[on_file.pilots.index(entry) + 1 :]
    for other in later:
        if other.design.candidate.id == entry.design.candidate.id:
            seen = {row.candidate_model for row in on_file.pairs[other.id] if row.candidate_model}
            newest = tuple(sorted(seen)) or newest
    own = {row.candidate_model for row in on_file.pairs[entry.id] if row.candidate_model}
    return newest if newest and not set(newest) & own else ()


def grader_now(record: Mapping[str, Any] | None, design: PilotDesign) -> str:
    """The id of the same grader as it is today; as it was when it cannot be loaded any more."""
    name, path = (record.get("grader_name"), labels_path(record)) if record else (None, None)
    if not isinstance(name, str) or design.judging is not None or design.grader == PEOPLE:
        return design.grader
    try:
        found = grader_called(name, beside=path, expected={}).id
    except FairleadError:
        return design.grader
    # Settings taken from the labels are the labels' change, which is told apart from the grader's.
    return design.grader if found.partition("(")[0] == design.grader.partition("(")[0] else found


def labels_now(
    on_file: Files, record: Mapping[str, Any] | None, design: PilotDesign, rows: Sequence[ExchangeRow]
) -> str | None:
    """The hash of the same exchanges' expected answers as they are today; as it was when the file is no longer there."""
    path = labels_path(record) if record else None
    labels = on_file.labels_at(path) if design.labels_hash is not None and path is not None else None
    if labels is None:
        return design.labels_hash
    return labels.hash_of(row.id for row in rows if row.seq <= design.frozen_seq)


def labels_path(record: Mapping[str, Any]) -> Path | None:
    """Where the labels file of a pilot was."""
    path = record.get("labels")
    return Path(path) if isinstance(path, str) else None


def currencies(workloads: Iterable[WorkloadFacts], pilots: Iterable[PilotFacts]) -> set[str]:
    """Every currency that has to be converted."""
    found = {cost.currency for workload in workloads for cost in workload.costs}
    return found | {facts.price.currency for facts in pilots if facts.price is not None}


def skipped(desk: Desk) -> list[Skipped]:
    """What the scans could not read."""
    found: list[Skipped] = []
    for record in desk.ledger.scans():
        if isinstance(record, dict):
            reasons, source = record.get("reasons"), record.get("paths")
            if isinstance(reasons, dict):
                found.extend(
                    Skipped(source=str(source), count=count, reason=reason)
                    for reason, count in reasons.items()
                    if isinstance(count, int)
                )
    return found


def price_notes(pilots: Iterable[PilotFacts]) -> list[str]:
    """Where the candidates' prices come from."""
    notes: dict[str, None] = {}
    for facts_ in pilots:
        if facts_.price is not None:
            price = facts_.price
            since = f", valid from {price.since}" if price.since else ""
            notes[
                f"{facts_.candidate}: {price.input} in, {price.output} out per million tokens in {price.currency} ({price.source or 'no source named'}{since})"
            ] = None
    notes[
        f"The incumbents' calls are costed at the prices of their own dates; price list: genai-prices {version('genai-prices')} and dated rows of our own."
    ] = None
    return list(notes)
