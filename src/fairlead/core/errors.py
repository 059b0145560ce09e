"""Everything Fairlead raises on purpose.

    FairleadError                 one line a tired person can act on; exit code 2
    ├── UsageError                a setting, flag or argument that cannot be used
    ├── InputError                a file or record that cannot be read
    │   └── UnreadableLine        one line of a log; counted, shown, skipped
    ├── UnknownPrice              no price is known for a model on a date
    ├── PriceListError            the price list cannot be read for now
    ├── LedgerError               the ledger cannot be opened, written or trusted
    │   └── LedgerTooNew          written by a newer Fairlead; left untouched
    ├── EndpointError             an endpoint cannot be used at all (not: one bad answer)
    ├── Untranslatable            a request or answer that another protocol cannot say
    └── PilotPaused               a pilot stopped before a verdict; running it again continues

A bad *answer* (a timeout, a cut stream, an empty text) is not an error: it is a `Failure` on the answer and is scored.
"""

from __future__ import annotations


class FairleadError(Exception):
    """Something went wrong that the reader can put right; `str(error)` is one line."""


class UsageError(FairleadError):
    """A setting, flag or argument cannot be used."""


class InputError(FairleadError):
    """A file or record cannot be read."""


class UnreadableLine(InputError):
    """One line of a log cannot be read.

    `line` counts from 1; `reason` says what was seen and what was expected.
    """

    def __init__(self, reason: str, *, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


class UnknownPrice(FairleadError):
    """No price is known for `model` of `provider` on `day` (ISO date)."""

    def __init__(self, *, model: str, provider: str | None, day: str) -> None:
        super().__init__(
            f"No price is known for {model!r} on {day}. Add one to fairlead.toml under [prices] or pass --price."
        )
        self.model = model
        self.provider = provider
        self.day = day


class PriceListError(FairleadError):
    """The price list cannot be read for now: what it would say is not known, and not that it says nothing."""


class LedgerError(FairleadError):
    """The ledger cannot be opened, written or trusted."""


class LedgerTooNew(LedgerError):
    """The ledger was written by a newer Fairlead; it is left untouched."""


class EndpointError(FairleadError):
    """An endpoint cannot be used at all: refused connection, wrong key, unknown model.

    `status` is the HTTP status where there was one; `retry_after` seconds where the endpoint named them.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class PilotPaused(FairleadError):
    """A pilot stopped before a verdict, with everything so far kept; running it again continues."""


class Untranslatable(FairleadError):
    """A request or an answer cannot be said in another protocol without losing what it means."""
