"""Callers' keys as the ledger keeps them: made, listed, replaced without a gap, revoked. The secret is shown once, kept nowhere.

A key's limits and what it may do are decided in `serve.keys`; here they are stored, with what has been spent.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from fairlead.core.errors import UsageError
from fairlead.core.ids import digest, plain
from fairlead.edge.store import Ledger
from fairlead.edge.store.codec import microseconds, moment, record
from fairlead.edge.store.rollups import DOLLAR, Spent
from fairlead.serve.keys import SECRET_BYTES, new_key
from fairlead.serve.snapshot import KeyNow

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a key may do: empty lists mean anything, `None` means no limit; money in dollars, models may end in `*`."""

    workloads: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    budget_day: Decimal | None = None
    budget_month: Decimal | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "budget_day", "budget_month"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 10**12:
                raise UsageError(f"{name} = {value} cannot be used; give more than zero, or leave it out for no limit.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. `old_hash` still works until `old_until_us`."""

    id: str
    name: str
    hash: str
    created_us: int
    limits: Limits = Limits()
    expires_us: int | None = None
    revoked_us: int | None = None
    old_hash: str | None = None
    old_until_us: int | None = None

    def is_live(self, now_us: int) -> bool:
        """Whether it opens anything."""
        return self.revoked_us is None and (self.expires_us is None or self.expires_us > now_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A key that was just made or replaced, with its secret."""

    key: Key
    secret: str


class KeyBook:
    """The keys of one ledger."""

    def __init__(self, ledger: Ledger, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ledger = ledger
        self._now = now

    def all(self) -> list[Key]:
        """Every key that was ever made, the first one first."""
        return [record(Key, value) for value in self._ledger.key_records()]

    def find(self, wanted: str) -> Key:
        """The key with this id, or the only living one with this name."""
        everything = self.all()
        named = [key for key in everything if key.name == wanted and key.revoked_us is None]
        found = [key for key in everything if key.id == wanted] or named
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{wanted!r} names {len(found)} keys; use the id ({', '.join(key.id for key in found)}).")
        raise UsageError(f"No key is called {wanted!r}; `fairlead key list` shows those there are.")

    def create(self, name: str, *, limits: Limits = Limits(), expires_at: datetime | None = None) -> Made:
        """Make a key."""
        name = name.strip()
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise UsageError(f"A key needs a name of one line and at most {_LONGEST_NAME} characters.")
        fresh = new_key(secrets.token_bytes(SECRET_BYTES))
        key = Key(
            id="k" + digest(fresh.hash, size=5),
            name=name,
            hash=fresh.hash,
            created_us=self._us(),
            limits=limits,
            expires_us=microseconds(expires_at),
        )
        self._put(key)
        return Made(key=key, secret=fresh.secret)

    def rotate(self, wanted: str, *, grace_s: float) -> Made:
        """Give a key a new secret; the old one works for another `grace_s` seconds."""
        before = self._living(wanted)
        fresh = new_key(secrets.token_bytes(SECRET_BYTES))
        until = self._us() + round(grace_s * 1e6)
        key = replace(before, hash=fresh.hash, old_hash=before.hash, old_until_us=until)
        self._put(key)
        return Made(key=key, secret=fresh.secret)

    def revoke(self, wanted: str) -> Key:
        """Close a key for good."""
        key = replace(self._living(wanted), revoked_us=self._us(), old_hash=None, old_until_us=None)
        self._put(key)
        return key

    def _living(self, wanted: str) -> Key:
        key = self.find(wanted)
        if key.revoked_us is not None:
            raise UsageError(f"Key {key.id} ({key.name}) was revoked on {moment(key.revoked_us):%Y-%m-%d}.")
        return key

    def _put(self, key: Key) -> None:
        self._ledger.put_key(key.id, plain(key))

    def _us(self) -> int:
        us = microseconds(self._now())
        assert us is not None
        return us


def keys_now(keys: Iterable[Key], *, day: Mapping[str, Spent], month: Mapping[str, Spent], now_us: int) -> list[KeyNow]:
    """The keys that open something now, as data planes take them, with what they have spent where that matters."""
    found: list[KeyNow] = []
    for key in keys:
        if key.is_live(now_us):
            now = _now(key, day=day, month=month)
            found.append(now)
            if key.old_hash is not None and key.old_until_us is not None and key.old_until_us > now_us:
                until = key.old_until_us if key.expires_us is None else min(key.old_until_us, key.expires_us)
                found.append(_now(replace(key, hash=key.old_hash, expires_us=until), day=day, month=month))
    return found


def _now(key: Key, *, day: Mapping[str, Spent], month: Mapping[str, Spent]) -> KeyNow:
    limits = key.limits
    return KeyNow(
        id=key.id,
        hash=key.hash,
        name=key.name,
        workloads=limits.workloads,
        models=limits.models,
        requests_per_minute=limits.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute,
        budget_day=None if limits.budget_day is None else float(limits.budget_day),
        budget_month=None if limits.budget_month is None else float(limits.budget_month),
        spent_day=_dollars(key.id, day) if limits.budget_day is not None else 0.0,
        spent_month=_dollars(key.id, month) if limits.budget_month is not None else 0.0,
        expires_us=key.expires_us,
    )


def _dollars(key_id: str, spent: Mapping[str, Spent]) -> float:
    return spent[key_id].cost / DOLLAR if key_id in spent else 0.0
