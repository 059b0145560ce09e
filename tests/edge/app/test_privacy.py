"""Redaction as a scan does it: what lies on the disk afterwards, the key, the settings, and who is forgotten."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fairlead.core.errors import InputError
from fairlead.core.nouns import Category, CategoryGuess, Workload
from fairlead.core.redact import DataClass, Policy
from fairlead.edge import config
from fairlead.edge.app import opened, scanning
from fairlead.edge.app.privacy import expected_answers, forget, key_in
from fairlead.edge.store.codec import unpacker

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ANN, PHONE, SECRET = "ann.lee@corp.test", "020 7946 0958", "sk-proj-abcdEFGH1234567890abcdEFGH"
VALUES = (ANN, "7946", "0958", SECRET, "ann.lee")


def row(number: int, **around: Any) -> dict[str, Any]:
    asked = f"Case {number}: {ANN} can be reached at tel {PHONE}. Key: {SECRET}"
    return {
        "id": f"x{number}",
        "started_at": "2026-11-20T10:00:00Z",
        "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": asked}]},
        "response": {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": f'{{"to": "{ANN}"}}'}}]},
        **around,
    }  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = [row(1, user=ANN), row(2, metadata={"contact": ANN}), row(3)]
    broken = [
        row(4) | {"request": {"messages": SECRET}},
        row(5) | {"response": {"error": {"message": f"no box {ANN}"}}},
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in [*rows, *broken]))
    return path


def scanned(log: Path, policy: Policy | None = None) -> scanning.Scan:
    where = str(log.parent / "fairlead.db")
    with opened(ledger=where, config=None, now=NOW) as desk:
        return scanning.run(desk, [str(log)], currency="USD", on_progress=lambda _name, _count: None, redact=policy)


def everything_on_disk(folder: Path) -> bytes:
    """The ledger's files as they lie there, and every packed value unpacked."""
    raw = b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("fairlead.db"))
    unpack, found = unpacker(), [raw]
    with sqlite3.connect(folder / "fairlead.db") as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for values in database.execute(f"SELECT * FROM {table}"):
                for value in values:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    found.append(data)
                    if isinstance(value, bytes):
                        try:
                            found.append(unpack(value))
                        except ValueError:
                            continue
    database.close()
    return b"\n".join(found)


def stands(value: str, kept: bytes) -> bool:
    """Whether a value stands there by itself: four digits also happen to lie inside hashes and times."""
    return re.search(rb"(?<![0-9A-Fa-f])" + re.escape(value.encode()) + rb"(?![0-9A-Fa-f])", kept) is not None


@pytest.mark.parametrize("policy", [Policy.MASK, Policy.HASH, Policy.DROP])
def test_no_value_reaches_the_disk(log: Path, policy: Policy) -> None:
    done = scanned(log, policy)
    kept = everything_on_disk(log.parent)
    assert done.taken.exchanges == 4
    assert b"gpt-4o" in kept
    assert [value for value in VALUES if stands(value, kept)] == []


def test_keep_keeps_personal_data_and_still_no_secret(log: Path) -> None:
    scanned(log, Policy.KEEP)
    kept = everything_on_disk(log.parent)
    assert stands(ANN, kept)
    assert stands("0958", kept), "the digits are found where they are kept"
    assert SECRET.encode() not in kept


def test_a_scan_says_what_was_redacted_by_kind_and_never_a_value(log: Path) -> None:
    done = scanned(log, Policy.MASK)
    report = done.taken.redacted.to_json()
    assert report["exchanges"] == 4
    assert report["touched"] == 4
    assert set(report["places"]) == {"email", "phone", "api key"}  # type: ignore[arg-type]
    with opened(ledger=str(log.parent / "fairlead.db"), config=None, now=NOW) as desk:
        (noted,) = desk.ledger.scans()
    assert isinstance(noted, dict)
    assert (noted["redact"], noted["redacted"]) == ("mask", report)


def test_scanning_again_adds_nothing(log: Path) -> None:
    assert (scanned(log).taken.new, scanned(log).taken.new) == (4, 0)


def test_labels_with_true_values_meet_masked_answers(log: Path) -> None:
    scanned(log)
    with opened(ledger=str(log.parent / "fairlead.db"), config=None, now=NOW) as desk:
        (workload, *_) = desk.ledger.workloads()
        first = next(iter(desk.ledger.exchanges(workload.id)))
        wanted = expected_answers(desk, workload.id, {first.id: {"to": ANN}, "elsewhere": 1})
        assert wanted == {first.id: json.loads(first.answer.text)}


@pytest.mark.parametrize("policy", list(Policy))
def test_who_is_forgotten_under_any_policy_is_named_by_the_true_name(log: Path, policy: Policy) -> None:
    scanned(log, policy)
    with opened(ledger=str(log.parent / "fairlead.db"), config=None, now=NOW) as desk:
        assert forget(desk, ANN).exchanges == 1


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    first = key_in(path)
    assert len(first) == 32
    assert key_in(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_text("hello")
    with pytest.raises(InputError, match="does not hold a key"):
        key_in(path)


def test_settings_name_policy_regions_and_data_classes() -> None:
    raw = {
        "privacy": {
            "redact": "hash",
            "regions": ["gb", "VN"],
            "workloads": {"Invoice fields": {"data_class": "local only"}},
        }
    }
    privacy = config.settings(raw, where="fairlead.toml").privacy
    guess = CategoryGuess(category=Category.STRUCTURED, confidence=1.0)
    assert (privacy.redact, privacy.regions) == (Policy.HASH, ("GB", "VN"))
    assert privacy.data_class(Workload(id="w1", name="Invoice fields", guess=guess)) is DataClass.LOCAL_ONLY
    assert privacy.data_class(Workload(id="w2", name="Other", guess=guess)) is DataClass.ANY


@pytest.mark.parametrize(
    ("privacy", "complaint"),
    [
        ({"redact": "hide"}, "must be one of keep, mask, hash, drop"),
        ({"regions": ["Britain"]}, "two-letter country codes"),
        ({"polcy": "mask"}, "unknown name 'polcy'"),
        ({"workloads": {"A": {"data_class": "secret"}}}, "must be one of any, local only"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(privacy: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        config.settings({"privacy": privacy}, where="fairlead.toml")
