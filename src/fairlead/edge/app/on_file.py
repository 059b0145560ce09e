"""The verdicts on file: the newest of each pilot, with what it rests on and whether that still holds."""

from __future__ import annotations

from typing import Any

from fairlead.core.nouns import ExchangeRow
from fairlead.edge.app.desk import Desk
from fairlead.edge.app.planning import files, out_of_date


def verdicts(desk: Desk, wanted: str | None) -> list[dict[str, Any]]:
    """The documented records, oldest pilot first; `wanted` names one workload."""
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
        found.append(one(record, out_of_date(on_file, entry, rows[workload_id])))
    return found


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
