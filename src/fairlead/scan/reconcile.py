"""A bill held against the log: per model and kind of token what the log explains, what it does not, and the likeliest reason.

Rules kept here: only the days the bill speaks of are compared; where a bill tells tokens, tokens are compared, else money; a
reason is only named when the figures bear it out, and the plainest one that does is named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from fairlead.core.billing import Bill, BillLine, TokenType, family, tokens_by_type
from fairlead.core.nouns import ExchangeRow, Usage

Value = Callable[[BillLine], Decimal | None]
"""What the tokens of a line cost by the price list; `None` when that is not known."""

_SAME = Decimal("0.005")
_NEAR = Decimal("0.03")
_MOST = Decimal("0.8")
_CENT = Decimal("0.01")
_ZERO = Decimal(0)
_IN = (TokenType.INPUT, TokenType.CACHE_READ, TokenType.CACHE_WRITE_5M, TokenType.CACHE_WRITE_1H)
_WRITES = (TokenType.CACHE_WRITE_5M, TokenType.CACHE_WRITE_1H)

Model = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRow:
    """One model and kind of token: what was billed, what the log holds of it, and the likeliest reason for the rest.

    `unexplained` below zero means that the log holds more than was billed. Amounts are in the bill's currency, `None` where
    they are not known.
    """

    provider: str
    model: str
    type: TokenType
    billed_tokens: int | None
    logged_tokens: int
    billed: Decimal | None
    logged: Decimal | None
    explained: Decimal | None
    unexplained: Decimal | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """A bill held against the log. `priced` says that its amounts are its tokens at list prices; `notes` are for people.

    `unexplained` is what was billed beyond the log; what the log holds beyond the bill elsewhere is never set off against it. It is
    below zero only where no row was billed beyond the log.
    """

    sources: tuple[str, ...]
    first: date
    last: date
    currency: str
    priced: bool
    billed: Decimal | None
    explained: Decimal | None
    unexplained: Decimal | None
    rows: tuple[BillRow, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Sum:
    tokens: int = 0
    amount: Decimal = _ZERO
    is_priced: bool = True

    def add(self, tokens: int, amount: Decimal | None) -> None:
        self.tokens += tokens
        if amount is None:
            self.is_priced = False
        else:
            self.amount += amount


def _sums() -> defaultdict[tuple[TokenType, date], _Sum]:
    return defaultdict(_Sum)


@dataclass(slots=True)
class _Used:
    """What the log holds of one model."""

    sums: defaultdict[tuple[TokenType, date], _Sum] = field(default_factory=_sums)
    calls: int = 0
    uncounted: int = 0
    batched: int = 0
    thought: int = 0

    def of(self, kind: TokenType) -> _Sum:
        whole = _Sum()
        for (each, _), part in self.sums.items():
            if each is kind:
                whole.add(part.tokens, part.amount if part.is_priced else None)
        return whole


class LogUse:
    """What a log holds for the days of some bills, model by model; fed a row at a time."""

    def __init__(self, bills: Iterable[Bill]) -> None:
        self._spans: dict[str, tuple[date, date]] = {}
        for line in (line for bill in bills for line in bill.lines):
            first, last = self._spans.get(line.provider, (line.day, line.day))
            self._spans[line.provider] = min(first, line.day), max(last, line.day)
        self.models: defaultdict[Model, _Used] = defaultdict(_Used)
        self.days: defaultdict[str, set[date]] = defaultdict(set)
        self.undated = 0

    def note(self, row: ExchangeRow, provider: str | None) -> None:
        """Count an exchange that a bill may cover, which cannot be told for it carries no date."""
        self.undated += row.started_at is None and provider in self._spans

    def wants(self, row: ExchangeRow, provider: str | None) -> bool:
        """Whether a bill covers this exchange."""
        if provider not in self._spans or row.started_at is None:
            return False
        first, last = self._spans[provider]
        return first <= row.started_at.date() <= last

    def add(self, row: ExchangeRow, provider: str, amounts: Mapping[TokenType, Decimal] | None) -> None:
        """Count an exchange that a bill covers; `amounts` is what its tokens cost by kind, without those of no known price."""
        assert row.started_at is not None
        day = row.started_at.date()
        used = self.models[provider, family(row.model)]
        used.calls += 1
        used.uncounted += row.usage == Usage()
        used.batched += row.tier == "batch"
        used.thought += row.usage.reasoning or 0
        self.days[provider].add(day)
        for kind, count in tokens_by_type(row.usage).items():
            used.sums[kind, day].add(count, None if amounts is None else amounts.get(kind))


def reconcile(bills: Sequence[Bill], used: LogUse, *, value: Value) -> Reconciliation:
    """Hold the bills against what the log holds of their days."""
    lines = [line for bill in bills for line in bill.lines]
    by_model: defaultdict[Model, list[BillLine]] = defaultdict(list)
    for line in lines:
        by_model[line.provider, family(line.model)].append(line)
    for model in used.models:
        by_model.setdefault(model, [])
    costed = {line.provider for line in lines if line.amount is not None}
    rows = [
        row
        for model, own in by_model.items()
        for row in _Compared(model, own, used, value=value, is_costed=model[0] in costed).rows()
    ]
    rows.sort(key=lambda row: (-(row.billed or row.logged or _ZERO), row.provider, row.model, row.type.value))
    known = [row for row in rows if row.billed is not None]
    return Reconciliation(
        sources=tuple(bill.source for bill in bills),
        first=min(line.day for line in lines),
        last=max(line.day for line in lines),
        currency=next((line.currency for line in lines if line.amount is not None), "USD"),
        priced=not costed,
        billed=_sum_of(row.billed for row in known),
        explained=_sum_of(row.explained for row in known),
        unexplained=_sum_of(_one_way(row.unexplained for row in known)),
        rows=tuple(rows),
        notes=tuple(_notes(bills, rows, used)),
    )


def _sum_of(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, _ZERO) if known else None


def _one_way(gaps: Iterable[Decimal | None]) -> list[Decimal]:
    """What was billed beyond the log, row by row; where nothing was, what the log holds beyond the bill."""
    known = [gap for gap in gaps if gap is not None]
    return [max(gap, _ZERO) for gap in known] if any(gap > 0 for gap in known) else known


def _notes(bills: Sequence[Bill], rows: Sequence[BillRow], used: LogUse) -> Iterator[str]:
    over = [gap for row in rows if (gap := row.unexplained) is not None and gap <= -_CENT]
    if over and any((row.unexplained or _ZERO) > 0 for row in rows):
        more = -sum(over, _ZERO)
        yield f"In {len(over)} rows the log holds {more:,.2f} more than was billed; that is not set off against what is unexplained."
    if used.undated:
        yield f"{used.undated:,} calls in the log carry no date, so they are not held against the bill."
    for bill in bills:
        if bill.unknown_columns:
            yield f"Columns of {bill.source} that were not read: {', '.join(bill.unknown_columns[:12])}."
        for reason, count in bill.set_aside.items():
            yield f"{count:,} rows of {bill.source} were set aside: {reason}."
    unpriced = sorted({row.model for row in rows if row.billed is None or (row.logged is None and row.logged_tokens)})
    if unpriced:
        yield (
            f"No price is known for {', '.join(unpriced[:6])}: their tokens are compared, not their amounts."
            " Add them to fairlead.toml under [prices]."
        )


class _Compared:
    """One model's lines of the bill beside what the log holds of it."""

    def __init__(self, model: Model, lines: Sequence[BillLine], log: LogUse, *, value: Value, is_costed: bool) -> None:
        self._provider, self._model = model
        self._lines = lines
        self._log = log
        self._used = log.models.get(model, _Used())
        self._value = value
        self._is_costed = is_costed
        self._counts = any(line.tokens is not None for line in lines)

    def rows(self) -> Iterator[BillRow]:
        """A row for each kind of token that was billed or used."""
        for kind in TokenType:
            lines = [line for line in self._lines if line.type is kind]
            logged = self._used.of(kind)
            if lines or logged.tokens:
                yield self._row(kind, lines, logged)

    def _row(self, kind: TokenType, lines: Sequence[BillLine], logged: _Sum) -> BillRow:
        billed, amount = self._billed(kind, lines), logged.amount if logged.is_priced else None
        gap = None if billed is None or amount is None else billed - amount
        return BillRow(
            provider=self._provider,
            model=self._model,
            type=kind,
            billed_tokens=self._tokens(lines),
            logged_tokens=logged.tokens,
            billed=billed,
            logged=amount,
            explained=None if billed is None or amount is None else min(billed, amount),
            unexplained=gap,
            reason=self._reason(kind, lines, logged, gap),
        )

    def _tokens(self, lines: Sequence[BillLine]) -> int | None:
        return sum(line.tokens or 0 for line in lines) if self._counts else None

    def _billed(self, kind: TokenType, lines: Sequence[BillLine]) -> Decimal | None:
        """What was billed: the amounts where the bill has any, else its tokens at list prices."""
        if self._is_costed:
            return sum((line.amount for line in lines if line.amount is not None), _ZERO)
        if kind is TokenType.OTHER:
            return _ZERO
        values = [self._value(line) for line in lines if line.tokens]
        known = [each for each in values if each is not None]
        return sum(known, _ZERO) if len(known) == len(values) else None

    # The likeliest reason

    def _reason(self, kind: TokenType, lines: Sequence[BillLine], logged: _Sum, gap: Decimal | None) -> str:
        if kind is TokenType.OTHER:
            return "not billed by tokens (searches, tools, storage): a log of calls does not hold it"
        tokens = self._tokens(lines)
        if self._agrees(tokens, logged, gap):
            return "agrees" if not gap or abs(gap) < _CENT else "rounding"
        if not self._used.calls:
            return self._absent()
        if not lines and self._counts:
            return self._moved_to(kind) or "the log counts what the bill does not: another key or project was exported"
        if tokens is not None and _near(tokens, logged.tokens, _NEAR):
            return self._priced_apart(lines, logged, gap)
        return next(filter(None, self._told_by(kind, lines, tokens, logged, gap)), "") or self._default(
            lines, gap, tokens, logged
        )

    def _agrees(self, tokens: int | None, logged: _Sum, gap: Decimal | None) -> bool:
        if tokens is not None:
            close = abs(tokens - logged.tokens) <= max(Decimal(1), _SAME * tokens)
            return close and (gap is None or abs(gap) <= max(_CENT, abs(_SAME * logged.amount)))
        return gap is not None and abs(gap) <= max(_CENT, _SAME * logged.amount)

    def _absent(self) -> str:
        if not self._log.days.get(self._provider):
            return f"the log holds no call to {self._provider} in these days"
        projects = sorted({name for line in self._lines for name in (line.project, line.key) if name})
        named = f" ({', '.join(projects[:4])})" if projects else ""
        return f"no call to this model is in the log: another application, key or project{named}"

    def _told_by(
        self, kind: TokenType, lines: Sequence[BillLine], tokens: int | None, logged: _Sum, gap: Decimal | None
    ) -> Iterator[str]:
        """Every explanation the figures bear out, the plainest first; empty where they do not."""
        yield self._moved_to(kind)
        yield self._half(lines, logged, gap)
        yield self._discount(lines, logged)
        yield self._thought(kind, tokens, logged)
        if self._is_short(tokens, logged, gap):
            yield self._missing_days(lines, tokens, logged, gap)
            yield self._one_key(lines, tokens, logged, gap)
            yield self._uncounted()

    def _is_short(self, tokens: int | None, logged: _Sum, gap: Decimal | None) -> bool:
        return logged.tokens < tokens if tokens is not None else gap is not None and gap > 0

    def _moved_to(self, kind: TokenType) -> str:
        """Whether the same input stands under another kind in the log."""
        billed = {each: self._share(each) for each in _IN}
        logged = {each: self._own(each) for each in _IN}
        reads, written = TokenType.CACHE_READ, sum(billed[each] for each in _WRITES)
        if kind in _WRITES and written and _near(written, sum(logged[each] for each in _WRITES), _NEAR):
            return "one-hour and five-minute cache writes are told apart by the bill, not by the log"
        if kind not in {TokenType.INPUT, *_IN} or logged[TokenType.INPUT] <= billed[TokenType.INPUT]:
            return ""
        over = logged[TokenType.INPUT] - billed[TokenType.INPUT]
        if billed[reads] and logged[reads] < billed[reads] / 2 and kind in {TokenType.INPUT, reads}:
            whole = _near(
                over, billed[reads] - logged[reads] + written - sum(logged[e] for e in _WRITES), Decimal("0.1")
            )
            if whole or not self._counts:
                return "cache reads stand in the log as fresh input, so the log prices them too high"
        if written and not any(logged[each] for each in _WRITES):
            return "cache writes stand in the log as fresh input"
        return ""

    def _share(self, kind: TokenType) -> Decimal:
        lines = [line for line in self._lines if line.type is kind]
        return Decimal(self._tokens(lines) or 0) if self._counts else self._billed(kind, lines) or _ZERO

    def _own(self, kind: TokenType) -> Decimal:
        used = self._used.of(kind)
        return Decimal(used.tokens) if self._counts else used.amount

    def _half(self, lines: Sequence[BillLine], logged: _Sum, gap: Decimal | None) -> str:
        """Batches cost half, and a log seldom says that a call was one."""
        if self._used.batched or gap is None or not logged.amount:
            return ""
        ratio = (logged.amount + gap) / logged.amount
        in_batches = any(line.tier == "batch" for line in lines)
        if in_batches and ratio < 1:
            return "billed at the batch tier, which the log does not tell"
        return (
            "about half: probably billed at the batch tier, which the log does not tell"
            if _near(ratio, Decimal("0.5"), _NEAR)
            else ""
        )

    def _discount(self, lines: Sequence[BillLine], logged: _Sum) -> str:
        listed = sum((line.list_amount for line in lines if line.list_amount is not None), _ZERO)
        paid = sum((line.amount for line in lines if line.amount is not None), _ZERO)
        if not listed or paid >= listed or not _near(listed, logged.amount, _NEAR):
            return ""
        return f"a discount of {1 - paid / listed:.1%} on the list price".replace("%", " %")

    def _thought(self, kind: TokenType, tokens: int | None, logged: _Sum) -> str:
        if kind is not TokenType.OUTPUT or tokens is None or not self._used.thought:
            return ""
        twice = _near(tokens, logged.tokens - self._used.thought, _NEAR)
        return "the log counts reasoning beside output that already includes it" if twice else ""

    def _missing_days(self, lines: Sequence[BillLine], tokens: int | None, logged: _Sum, gap: Decimal | None) -> str:
        seen = self._log.days[self._provider]
        missing = sorted({line.day for line in lines} - seen)
        on_missing = [line for line in lines if line.day in set(missing)]
        if self._covers(on_missing, tokens, logged, gap):
            days = sorted({line.day for line in lines})
            return f"the log holds nothing on {len(missing)} of {len(days)} billed days ({_days(missing)})"
        first, last = min(seen), max(seen)
        short = {day: self._short_on(day, lines) for day in {line.day for line in lines}}
        whole = sum(short.values(), _ZERO)
        at_edges = sum((amount for day, amount in short.items() if day in {first, last} or day not in seen), _ZERO)
        if len(short) > 2 and whole > 0 and at_edges >= _MOST * whole:
            return f"the log begins or ends within the bill's days ({first} to {last})"
        return ""

    def _short_on(self, day: date, lines: Sequence[BillLine]) -> Decimal:
        """What the log lacks of one day's lines, which are all for one kind of token."""
        kind, today = lines[0].type, [line for line in lines if line.day == day]
        part = self._used.sums.get((kind, day), _Sum())
        billed = Decimal(self._tokens(today) or 0) if self._counts else self._billed(kind, today) or _ZERO
        return max(_ZERO, billed - (part.tokens if self._counts else part.amount))

    def _one_key(self, lines: Sequence[BillLine], tokens: int | None, logged: _Sum, gap: Decimal | None) -> str:
        for what, of in (("key", "key"), ("project", "project")):
            names = sorted({name for line in lines if (name := getattr(line, of))})
            for name in names if len(names) > 1 else []:
                if self._covers(
                    [line for line in lines if getattr(line, of) == name], tokens, logged, gap, exactly=True
                ):
                    return f"{what} {name!r} alone was billed this much: its calls are not in the log"
        return ""

    def _covers(
        self, lines: Sequence[BillLine], tokens: int | None, logged: _Sum, gap: Decimal | None, *, exactly: bool = False
    ) -> bool:
        """Whether these lines make up most of what the log lacks, or `exactly` all of it."""
        if not lines:
            return False
        if tokens is not None:
            part, whole = Decimal(self._tokens(lines) or 0), Decimal(tokens - logged.tokens)
        else:
            part, whole = self._billed(lines[0].type, lines) or _ZERO, gap or _ZERO
        return _near(part, whole, Decimal("0.05")) if exactly else whole > 0 and part >= _MOST * whole

    def _uncounted(self) -> str:
        if self._used.uncounted * 20 < self._used.calls:
            return ""
        return f"{self._used.uncounted:,} of {self._used.calls:,} calls in the log have no token counts"

    def _priced_apart(self, lines: Sequence[BillLine], logged: _Sum, gap: Decimal | None) -> str:
        if gap is None or abs(gap) <= _NEAR * abs(logged.amount):
            return "nearly agrees: a call more or less"
        told = self._half(lines, logged, gap) or self._discount(lines, logged)
        return (
            told or "tokens agree; billed at another price than the list's (long context, region, speed or a discount)"
        )

    def _default(self, lines: Sequence[BillLine], gap: Decimal | None, tokens: int | None, logged: _Sum) -> str:
        if gap is None and tokens is None:
            return "no price is known for the log's tokens"
        if self._is_short(tokens, logged, gap):
            names = sorted({name for line in lines for name in (line.key, line.project) if name})
            named = f" (the bill names {', '.join(names[:4])})" if len(names) > 1 else ""
            return f"calls that are not in the log: another application, key or project{named}"
        return "the log holds more than was billed: rows logged twice, answers of your own cache, or another account"


def _near(one: Decimal | int, other: Decimal | int, share: Decimal) -> bool:
    left, right = Decimal(one), Decimal(other)
    return abs(left - right) <= share * max(abs(left), abs(right))


def _days(days: Sequence[date]) -> str:
    """Days in words: runs by their ends."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    told = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:3]]
    return ", ".join(told) + (" …" if len(runs) > 3 else "")
