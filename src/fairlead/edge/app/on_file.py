"""The verdicts on file: the newest of each pilot, with what it rests on and whether that still holds."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from fairlead.core.evidence import replayed
from fairlead.core.ids import plain
from fairlead.core.nouns import ExchangeRow
from fairlead.edge.app.desk import Desk
from fairlead.edge.app.planning import Files, files, out_of_date
from fairlead.edge.store.ledger import PilotEntry
from fairlead.pilot.on_file import known
from fairlead.pilot.why import Case, explained


def verdicts(desk: Desk, wanted: str | None, *, explain: bool = False) -> list[dict[str, Any]]:
    """The documented records, oldest pilot first; `wanted` names one workload, `explain` adds why."""
    only = desk.workload(wanted).id if wanted is not None else None
    on_file = files(desk)
    rows: dict[str, list[ExchangeRow]] = {}
    found: list[dict[str, Any]] = []
    for entry in on_file.pilots:
        record, workload_id = on_file.records.get(entry.id), entry.design.workload_id
        if record is None or only not in {None, workload_id}:
            continue
        if workload_id not in rows:
            rows[workload_id] = list(desk.ledger.rows(workload_id))
        stale = out_of_date(on_file, entry, rows[workload_id])
        shown = one(record, stale)
        if explain:
            shown["why"] = plain(explained(case(desk, on_file, entry, rows[workload_id], stale)))
        found.append(shown)
    return found


def case(desk: Desk, on_file: Files, entry: PilotEntry, rows: list[ExchangeRow], stale: tuple[str, ...]) -> Case:
    """What there is to explain about one pilot."""
    design, pairs, record = entry.design, on_file.pairs[entry.id], on_file.records[entry.id]
    asked = {row.pair.exchange_id for row in pairs}
    by_conversation = {row.id: row.conversation for row in rows if row.conversation is not None}
    labels = known(desk.ledger, design.workload_id, design.drawing, rows).clusters
    return Case(
        design=design,
        evidence=replayed(design, desk.ledger.on_file(entry.id), [row.pair for row in pairs]),
        rows=pairs,
        said=record["said"],
        frame=record.get("frame") or {},
        stale=stale,
        clusters=by_conversation if labels is None else labels,
        lost=dict(Counter(flag.value for row in rows if row.id in asked for flag in row.fidelity)),
        judges=judge_lines(record.get("judges")),
    )


def judge_lines(judges: object) -> tuple[str, ...]:
    """What is on file about how the judges did, a line each."""
    if not isinstance(judges, dict):
        return ()
    told = cast("dict[str, Any]", judges)
    return tuple(
        f"{name.replace('_', ' ')}: {value}" for name, value in told.items() if not isinstance(value, list | dict)
    )


def one(record: dict[str, Any], stale: tuple[str, ...]) -> dict[str, Any]:
    """One verdict for people and machines."""
    judged, basis, design = record["judgement"], record["basis"], record["design"]
    return {
        "workload": record["workload"],
        "pilot_id": record["pilot_id"],
        "candidate": design["candidate"]["model"],
        "endpoint": design["candidate"]["endpoint"],
        "verdict": judged["verdict"],
        "said": record["said"],
        "speaker": record["speaker"],
        "low": judged["low"],
        "high": judged["high"],
        "n": judged["n"],
        "replace_ok": judged["replace_ok"],
        "blocked": judged["blocked"],
        "segments": judged["segments"],
        "by_more_than_margin": judged["by_more_than_margin"],
        "margin": design["margin"],
        "estimand": design["estimand"],
        "ended": record["ended"],
        "words": record["words"],
        "grader": basis["grader"],
        "prompts": basis["prompts"],
        "incumbent_models": basis["incumbent_models"],
        "candidate_models": basis["candidate_models"],
        "log_from": basis["log_from"],
        "log_to": basis["log_to"],
        "decided_at": basis["decided_at"],
        "out_of_date": list(stale),
    }
