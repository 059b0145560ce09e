"""Callers' keys: who is calling, what that key may do, and how much.

A key is `fl-` and 43 letters. Only its SHA-256 is kept; a key that comes in is hashed before anything else is done with
it, and the hash is looked up, so nothing about known keys can be learnt from how long a refusal takes. A key that is being
replaced has two hashes for a while: the old one works until its `expires_us`, and both count as one.

What is asked of a key, in order: is it known and not expired (401); may it ask for this model, and for this workload (403);
has it money left (429 until midnight or the first of the month, UTC); has it requests and tokens left in this minute (429
with the seconds to wait). Nothing here reads a clock: the time is an argument.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from fairlead.serve.counts import REQUESTS, TOKENS, Counts, tag_of, whole_seconds
from fairlead.serve.snapshot import KeyNow

PREFIX: Final = "fl-"
SECRET_BYTES: Final = 32
LONGEST: Final = 256
BYTES_PER_TOKEN: Final = 4
_PREFIX: Final = PREFIX.encode()
_USUAL: Final = b"Bearer " + _PREFIX
_SCHEME: Final = len(b"Bearer ")
_FORM: Final = re.compile(r"fl-[A-Za-z0-9_-]{40,250}")
_SAMPLES: Final = re.compile(
    r"1234|abcd|0000|xxxx|example|sample|your|change.?me|secret|password|placeholder|test|demo|dummy|todo|replace|insert",
    re.IGNORECASE,
)


class Refusal(NamedTuple):
    """Why a request is not answered: a status, a code of a word or two, a sentence, and when to come again."""

    status: int
    code: str
    message: str
    retry_after_s: int | None = None


class NewKey(NamedTuple):
    """A key as it is made: the secret, which is shown once and kept nowhere, and its hash."""

    secret: str
    hash: str


def new_key(entropy: bytes) -> NewKey:
    """Return a key made of 32 random bytes.

    >>> new_key(bytes(range(32))).secret
    'fl-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
    """
    if len(entropy) < SECRET_BYTES:
        raise ValueError(f"A key needs {SECRET_BYTES} random bytes, not {len(entropy)}.")
    secret = PREFIX + urlsafe_b64encode(entropy).decode().rstrip("=")
    return NewKey(secret, hash_of(secret.encode()))


def hash_of(secret: bytes) -> str:
    """Return what is kept of a key."""
    return sha256(secret).hexdigest()


def problem_with(secret: str) -> str | None:
    """Return why a secret that somebody brings along must not be used, or `None`: guessed keys are refused when made.

    >>> problem_with("fl-1234")
    "'fl-1234' is a sample key or too short to be a secret; let Fairlead make one."
    """
    if _FORM.fullmatch(secret) is None or len(set(secret)) < 16:
        shown = secret if len(secret) <= 12 else secret[:6] + "…"
        return f"{shown!r} is a sample key or too short to be a secret; let Fairlead make one."
    return None


def is_sample(secret: str) -> bool:
    """Whether a secret is one that documentation uses, or too plain to be one; for tokens of any form.

    >>> is_sample("sk-1234"), is_sample("your-token-here"), is_sample("q8Zk2mVw7TtLx0Rb")
    (True, True, False)
    """
    return len(secret) < 12 or len(set(secret)) < 8 or (_SAMPLES.search(secret) is not None and len(secret) < 32)


def rotated(key: KeyNow, *, new_hash: str, old_until_us: int) -> tuple[KeyNow, KeyNow]:
    """Return a key under its new hash, and under its old one until a moment (or sooner, if it was to expire sooner)."""
    old = old_until_us if key.expires_us is None else min(old_until_us, key.expires_us)
    return msgspec.structs.replace(key, hash=new_hash), msgspec.structs.replace(key, expires_us=old)


def is_over(key: KeyNow, now_us: int) -> bool:
    """Return whether a key has expired."""
    return key.expires_us is not None and key.expires_us <= now_us


def secrets_in(authorization: bytes, api_key: bytes) -> list[bytes]:
    """Return the Fairlead keys that a request brings, in either header and in any spelling of the scheme.

    >>> secrets_in(b"bearer  fl-a", b"sk-ant-b"), secrets_in(b"fl-a", b"fl-a"), secrets_in(b"Basic ZmwtYQ==", b"")
    ([b'fl-a'], [b'fl-a'], [])
    """
    scheme, _, token = authorization.strip().partition(b" ")
    token = token.strip() if scheme.lower() == b"bearer" else scheme
    found = [secret for secret in (token, api_key.strip()) if secret.startswith(_PREFIX)]
    return found[:1] if len(found) == 2 and found[0] == found[1] else found


UNKNOWN: Final = Refusal(401, "invalid_key", "This Fairlead key is not known here, or was revoked.")
EXPIRED: Final = Refusal(401, "expired_key", "This Fairlead key has expired.")
_TWO: Final = Refusal(401, "two_keys", "Two different Fairlead keys came in one request; send one of them.")


class _Allowed:
    """What a key may do, made ready to be asked on every request."""

    __slots__ = ("is_free", "key", "models", "prefixes", "tag", "workloads")

    def __init__(self, key: KeyNow) -> None:
        self.key = key
        self.tag = tag_of(key.id)
        self.models = frozenset(name for name in key.models if not name.endswith("*"))
        self.prefixes = tuple(name[:-1] for name in key.models if name.endswith("*"))
        self.workloads = frozenset(key.workloads)
        limits = (key.budget_day, key.budget_month, key.requests_per_minute, key.tokens_per_minute)
        self.is_free = not key.models and all(limit is None for limit in limits)


class Keys:
    """All keys that hold now, and what they have used."""

    __slots__ = ("_by_hash", "_by_id", "_counts")

    def __init__(self, keys: Iterable[KeyNow], counts: Counts) -> None:
        self._counts = counts
        self._by_hash: dict[bytes, KeyNow] = {}
        self._by_id: dict[str, _Allowed] = {}
        for key in keys:
            self._by_hash[bytes.fromhex(key.hash)] = key
            known = self._by_id.get(key.id)
            if known is None or known.key.expires_us is not None:
                self._by_id[key.id] = _Allowed(key)

    def find(self, authorization: bytes, api_key: bytes, *, now_us: int) -> KeyNow | Refusal | None:
        """Return the key a request came with, why it is refused, or `None` where it came with no Fairlead key."""
        if not api_key and authorization.startswith(_USUAL):
            secret = authorization[_SCHEME:].rstrip()
        elif _PREFIX not in authorization and _PREFIX not in api_key:
            return None
        else:
            secrets = secrets_in(authorization, api_key)
            if len(secrets) != 1:
                return _TWO if secrets else None
            secret = secrets[0]
        key = self._by_hash.get(sha256(secret).digest()) if len(secret) <= LONGEST else None
        if key is None:
            return UNKNOWN
        if is_over(key, now_us):
            return EXPIRED
        return key

    def admit(self, key: KeyNow, *, model: str, body_bytes: int, now_s: float, now_us: int) -> Refusal | None:
        """Count a request of a key in, or return why it may not be made.

        `now_s` is the clock that all processes share and that never jumps. Of the request's tokens only the bytes of its
        body are known yet, four a token; `settle` puts that right when the answer is there.
        """
        allowed = self._by_id.get(key.id)
        if allowed is None:
            return UNKNOWN
        if allowed.is_free:
            return None
        if model and (allowed.models or allowed.prefixes) and not _may(allowed, model):
            return Refusal(
                403,
                "model_not_allowed",
                f"This key may not ask for {_shown(model)}; it may ask for {_listed(key.models)}.",
            )
        return _without_money(allowed.key, now_us) or self._within_minute(allowed, body_bytes, now_s)

    def may_do(self, key: KeyNow, workload_id: str | None) -> Refusal | None:
        """Return why a key may not do a workload, or `None`; what is no known workload is only for keys that may do all."""
        allowed = self._by_id.get(key.id)
        if allowed is None or not allowed.workloads or workload_id in allowed.workloads:
            return None
        asked = f"workload {workload_id}" if workload_id else "a workload that is not known yet"
        return Refusal(
            403, "workload_not_allowed", f"This key may not be used for {asked}; it is for {_listed(key.workloads)}."
        )

    def settle(self, key: KeyNow, *, body_bytes: int, tokens: int, now_s: float) -> None:
        """Count what an answer took instead of what was assumed when its request was let in."""
        allowed = self._by_id.get(key.id)
        if allowed is not None and allowed.key.tokens_per_minute is not None:
            self._counts.add(allowed.tag, TOKENS, tokens - assumed_tokens(body_bytes), now_s=now_s)

    def _within_minute(self, allowed: _Allowed, body_bytes: int, now_s: float) -> Refusal | None:
        requests, tokens = allowed.key.requests_per_minute, allowed.key.tokens_per_minute
        if requests is not None:
            wait = self._counts.use(allowed.tag, REQUESTS, 1.0, limit=requests, now_s=now_s)
            if wait is not None:
                return _too_many(f"{requests:,} requests", wait)
        if tokens is not None:
            wait = self._counts.use(allowed.tag, TOKENS, assumed_tokens(body_bytes), limit=tokens, now_s=now_s)
            if wait is not None:
                if requests is not None:
                    self._counts.add(allowed.tag, REQUESTS, -1.0, now_s=now_s)
                return _too_many(f"{tokens:,} tokens", wait)
        return None


def assumed_tokens(body_bytes: int) -> float:
    """Return the tokens a request is taken for before its answer tells."""
    return float(max(1, body_bytes // BYTES_PER_TOKEN))


def _may(allowed: _Allowed, model: str) -> bool:
    return model in allowed.models or (bool(allowed.prefixes) and model.startswith(allowed.prefixes))


def _without_money(key: KeyNow, now_us: int) -> Refusal | None:
    if key.budget_day is not None and key.spent_day >= key.budget_day:
        return _spent(key.budget_day, "today", _until_midnight_s(now_us))
    if key.budget_month is not None and key.spent_month >= key.budget_month:
        return _spent(key.budget_month, "this month", _until_the_first_s(now_us))
    return None


def _spent(budget: float, when: str, wait_s: float) -> Refusal:
    message = f"This key's budget of ${budget:,.2f} is spent for {when} (UTC)."
    return Refusal(429, "budget_spent", message, whole_seconds(wait_s))


def _too_many(limit: str, wait_s: float) -> Refusal:
    wait = whole_seconds(wait_s)
    return Refusal(429, "rate_limit_exceeded", f"This key may use {limit} a minute; try again in {wait} s.", wait)


def _until_midnight_s(now_us: int) -> float:
    now = _moment(now_us)
    return ((now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) - now).total_seconds()


def _until_the_first_s(now_us: int) -> float:
    now = _moment(now_us)
    later = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (later - now).total_seconds()


def _moment(now_us: int) -> datetime:
    return datetime.fromtimestamp(now_us / 1e6, UTC)


def _shown(name: str) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in name[:80])
    return repr(plain)


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
