"""The price list and the exchange rates, asked of a process of their own: what they load does not stay in this one.

The list takes fifteen megabytes to hold, the history of exchange rates fifty to read, and a gateway asks them a few questions
a day. So the process is started by a question, and ends when no other came for a while. One question at a time; safe to
ask from any thread. Where it cannot be asked, that is said and not taken for an answer, and it is left alone for a moment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from select import select
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from fairlead.core.errors import FairleadError, PriceListError
from fairlead.edge.catalog.rates import Found, Seller

if TYPE_CHECKING:
    from fairlead.edge.catalog.listed import Listed

Told = TypeVar("Told")

IDLE_S: Final = 20.0
"""The process ends when nothing was asked for so long."""
_AGAIN_S: Final = 10.0
_PATIENCE_S: Final = 20.0


class _Question(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is asked: one of the methods of `ListApart`, and its arguments."""

    what: str
    text: str = ""
    model: str = ""
    seller: Seller | None = None
    at: datetime | None = None
    today: datetime | None = None
    tier: str | None = None


class ListApart:
    """A `PriceList` in another process, and what currencies are worth there. `command` starts the process."""

    def __init__(self, *command: str) -> None:
        self._command = command or (sys.executable, "-P", "-m", __name__)
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._providers: frozenset[str] | None = None
        self._worth: dict[str, Decimal | None] = {"USD": Decimal(1)}

    def providers(self) -> frozenset[str]:
        """The ids of the providers in the list."""
        if self._providers is None:
            self._providers = self._told(_Question(what="providers"), frozenset[str])
        return self._providers

    def seller(self, provider: str, model: str) -> Seller | None:
        """A model as a provider sells it; `None` where the list does not know the provider."""
        return cast("Seller | None", self._told(_Question(what="seller", text=provider, model=model), _SELLER))

    def found(self, seller: Seller, at: datetime, *, today: datetime, tier: str | None) -> Found:
        """What a listed model costs at a moment and service tier."""
        return self._told(_Question(what="found", seller=seller, at=at, today=today, tier=tier), Found)

    def provider_at(self, endpoint: str) -> str | None:
        """Which provider answers at a base URL."""
        return cast("str | None", self._told(_Question(what="provider_at", text=endpoint), _TEXT))

    def in_dollars(self, currency: str) -> Decimal | None:
        """What one unit of a currency is worth, as of when it was first asked; `None` where that is not known."""
        if currency not in self._worth:
            self._worth[currency] = self._told(_Question(what="in_dollars", text=currency), _DECIMAL)
        return self._worth[currency]

    def bury(self) -> None:
        """Take note of a process that has ended, so that the system can forget it; never waits."""
        if self._lock.acquire(blocking=False):
            try:
                if self._child is not None and self._child.poll() is not None:
                    self._end()
            finally:
                self._lock.release()

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def __del__(self) -> None:
        self._end()

    def _told(self, question: _Question, kind: type[Told]) -> Told:
        try:
            written = msgspec.json.encode(question)
        except UnicodeEncodeError:
            raise PriceListError(f"The price list knows no {question.what} of a text that is none.") from None
        with self._lock:
            if monotonic() < self._not_before:
                raise PriceListError("The price list could not be read a moment ago; it is tried again.")
            # A process that was about to end when it was asked has said nothing: then another one is asked, once.
            line = self._line(written) or self._line(written)
            if not line:
                self._not_before = monotonic() + _AGAIN_S
        try:
            return msgspec.json.decode(line, type=kind)
        except msgspec.MsgspecError:
            raise PriceListError(f"The process that reads the price list does not answer: {line[:80]!r}.") from None

    def _line(self, question: bytes) -> bytes:
        """The answer to a question, from the process that runs or a new one; nothing where it ended or hangs."""
        line = b""
        with suppress(OSError):
            wants, says = self._pipes()
            wants.write(question + b"\n")
            wants.flush()
            if select([says], [], [], _PATIENCE_S)[0]:
                line = says.readline()
        if not line.endswith(b"\n"):
            self._end()
            return b""
        return line

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._child is None:
            self._child = subprocess.Popen(  # noqa: S603 - this Python, and this module
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        return self._child.stdin, self._child.stdout

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()


# Unions are no classes to a type checker, but the decoder takes them.
_SELLER: Any = Seller | None
_TEXT: Any = str | None
_DECIMAL: Any = Decimal | None


def answered(question: bytes, listed: Listed) -> bytes:
    """The answer to a question, as a line."""
    asked = msgspec.json.decode(question, type=_Question)
    told: object = None
    if asked.what == "in_dollars":
        told = _in_dollars(asked.text)
    elif asked.what == "seller":
        told = listed.seller(asked.text, asked.model)
    elif asked.what == "found" and asked.seller is not None and asked.at is not None and asked.today is not None:
        told = listed.found(asked.seller, asked.at, today=asked.today, tier=asked.tier)
    elif asked.what == "provider_at":
        told = listed.provider_at(asked.text)
    elif asked.what == "providers":
        told = sorted(listed.providers())
    return msgspec.json.encode(told) + b"\n"


def _in_dollars(currency: str) -> Decimal | None:
    from fairlead.edge.currency import rates  # noqa: PLC0415 - its history takes fifty megabytes

    try:
        return rates("USD", {currency}, today=datetime.now(UTC).date()).rate(currency)
    except FairleadError:
        return None


def main(idle_s: float = IDLE_S) -> None:
    """Answer questions until none came for a while, or nobody is there to ask one."""
    from fairlead.edge.catalog.listed import Listed  # noqa: PLC0415 - not in the process that asks

    os.nice(10)
    listed = Listed()
    asks, says = sys.stdin.buffer, sys.stdout.buffer
    while select([asks], [], [], idle_s)[0]:  # nothing waits in a buffer: who asks waits for the answer
        question = asks.readline()
        if not question:
            return
        says.write(answered(question, listed))
        says.flush()


if __name__ == "__main__":
    main()
