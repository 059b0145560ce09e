"""Redaction, wired: the policy from the settings, the recognisers, and the key that hashes are made with.

The key lies in a file of its own beside the ledger, readable by its owner only. It never enters the ledger: who has the
ledger alone cannot try values against the hashes.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.core.errors import InputError
from fairlead.core.ids import plain
from fairlead.core.nouns import JSON, Exchange
from fairlead.core.redact import Policy, Redactor, expected
from fairlead.edge.config import PrivacySettings
from fairlead.edge.recognisers import REGIONS, Recognisers
from fairlead.edge.store.forget import Forgotten

if TYPE_CHECKING:
    from fairlead.edge.app.desk import Desk

_KEY_BYTES = 32


def redactor_for(settings: PrivacySettings, *, ledger: str, policy: Policy | None = None) -> Redactor:
    """The redactor that the settings ask for; `policy` goes before theirs."""
    where = key_path(settings, ledger)
    return Redactor(
        Recognisers(settings.regions or REGIONS), policy=policy or settings.redact, key=lambda: key_in(where)
    )


def expected_answers(desk: Desk, workload_id: str, labels: Mapping[str, JSON]) -> dict[str, JSON]:
    """The expected answers of a workload, written as its exchanges are kept: labels hold true values, the ledger does not."""
    redactor = redactor_for(desk.settings.privacy, ledger=desk.where)
    return {
        each.id: expected(labels[each.id], each, redactor)
        for each in desk.ledger.exchanges(workload_id)
        if each.id in labels
    }


def forget(desk: Desk, who: str) -> Forgotten:
    """Erase everything of a user or conversation, also where the ledger knows them by a hash only."""
    return Forgotten.together([desk.ledger.forget(name) for name in names_in_ledger(desk, who)])


def export(desk: Desk, write: Callable[[Exchange], None], *, who: str | None = None) -> int:
    """Hand every exchange to `write`, or only those of a user or conversation, and return how many there were."""
    if who is None:
        return desk.ledger.export(write)
    names, count = set(names_in_ledger(desk, who)), 0
    for exchange in desk.ledger.exchanges():
        if exchange.user in names or exchange.conversation in names:
            write(exchange)
            count += 1
    return count


def names_in_ledger(desk: Desk, who: str) -> list[str]:
    """`who`, and the hashes by which the ledger may know them; none where no key was ever made."""
    settings = desk.settings.privacy
    if not key_path(settings, desk.where).exists():
        return [who]
    redactors = (redactor_for(settings, ledger=desk.where, policy=policy) for policy in (Policy.MASK, Policy.HASH))
    return list(dict.fromkeys([who, *(redactor.pass_over().identity(who) for redactor in redactors)]))


def key_path(settings: PrivacySettings, ledger: str) -> Path:
    """Where the key lies: where the settings say, else beside the ledger's file, else in the working folder."""
    if settings.key_file:
        return Path(settings.key_file)
    return Path("fairlead.key") if "://" in ledger else Path(f"{ledger}.key")


def key_in(path: Path) -> bytes:
    """The key, made at its first use."""
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise InputError(f"The key for hashes cannot be written to {path}: {error.strerror}.") from error
    key = secrets.token_bytes(_KEY_BYTES)
    with os.fdopen(made, "wb") as file:
        file.write(key.hex().encode() + b"\n")
    return key


def _read(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise InputError(f"The key for hashes cannot be read from {path}: {error.strerror}.") from error
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES // 2:
        raise InputError(f"{path} does not hold a key: {_KEY_BYTES * 2} hexadecimal digits are expected.")
    return key


def judged(desk: Desk) -> Iterator[JSON]:
    """What judges replied, one record each."""
    for entry in desk.ledger.judgements():
        yield plain(
            {
                "judge": entry.judge_id,
                "exchange": entry.exchange_id,
                "said": entry.reply.answer.text,
                "usage": entry.reply.usage,
            }
        )


def preferred(desk: Desk) -> Iterator[JSON]:
    """What people said of each pilot's pairs, one record each."""
    for entry in desk.ledger.pilots():
        for each in desk.ledger.preferences(entry.id):
            yield plain({"pilot": entry.id, **plain(each)})
