"""A bill held against the log: per model and kind of token what the log explains, what it does not, and the likeliest reason.

Rules kept here: only the days the bill speaks of are compared, tokens on the days it tells tokens for and money on those it
tells money for; a bill that names no model, or no kind of token, is held against all of them; a reason is only named when the
figures bear it out, and the plainest one that does is named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from fairlead.core.billing import UNNAMED, Bill, BillLine, TokenType, family, tokens_by_type
from fairlead.core.nouns import ExchangeRow, Usage
from fairlead.core.plural import many

Value = Callable[[BillLine], Decimal | None]
"""What the tokens of a line cost by the price list; `None` when that is not known."""

_SAME = Decimal("0.005")
_NEAR = Decimal("0.03")
_MOST = Decimal("0.8")
_CENT = Decimal("0.01")
_ZERO = Decimal(0)
_IN = (TokenType.INPUT, TokenType.CACHE_READ, TokenType.CACHE_WRITE_5M, TokenType.CACHE_WRITE_1H)
_WRITES = (TokenType.CACHE_WRITE_5M, TokenType.CACHE_WRITE_1H)

_IN_TOKENS = frozenset(TokenType) - {TokenType.OTHER, TokenType.CREDIT, TokenType.ALL}

Model = tuple[str, str]
Span = tuple[date, date]


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

    def add(self, tokens: int, amount: Decimal | None, *, is_counted: bool = True) -> None:
        self.tokens += tokens if is_counted else 0
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

    def of(self, kind: TokenType, counted: Span | None = None) -> _Sum:
        """Everything of a kind; tokens only of the days `counted`, where they are given."""
        whole = _Sum()
        for (each, day), part in self.sums.items():
            if each is kind or kind is TokenType.ALL:
                is_counted = counted is None or counted[0] <= day <= counted[1]
                whole.add(part.tokens, part.amount if part.is_priced else None, is_counted=is_counted)
        return whole

    def take(self, other: _Used) -> None:
        """Count what the log holds of another model too."""
        for at, part in other.sums.items():
            self.sums[at].add(part.tokens, part.amount if part.is_priced else None)
        self.calls += other.calls
        self.uncounted += other.uncounted
        self.batched += other.batched
        self.thought += other.thought


class LogUse:
    """What a log holds for the days of some bills, model by model; fed a row at a time."""

    def __init__(self, bills: Iterable[Bill]) -> None:
        lines = [line for bill in bills for line in bill.lines]
        self.costed = _spans(line for line in lines if line.amount is not None)
        self.counted = _spans(line for line in lines if line.tokens is not None)
        self.models: defaultdict[Model, _Used] = defaultdict(_Used)
        self.days: defaultdict[str, set[date]] = defaultdict(set)
        self.undated = 0

    def note(self, row: ExchangeRow, provider: str | None) -> None:
        """Count an exchange that a bill may cover, which cannot be told for it carries no date."""
        self.undated += row.started_at is None and (provider in self.costed or provider in self.counted)

    def wants(self, row: ExchangeRow, provider: str | None) -> bool:
        """Whether a bill covers this exchange."""
        if provider is None or row.started_at is None:
            return False
        day = row.started_at.date()
        spans = (self.costed.get(provider), self.counted.get(provider))
        return any(span is not None and span[0] <= day <= span[1] for span in spans)

    def add(self, row: ExchangeRow, provider: str, amounts: Mapping[TokenType, Decimal] | None) -> None:
        """Count an exchange that a bill covers; `amounts` is what it cost by kind, without those of no known price."""
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
        if fee := (amounts or {}).get(TokenType.OTHER):
            used.sums[TokenType.OTHER, day].add(0, fee)


def _spans(lines: Iterable[BillLine]) -> dict[str, Span]:
    """By provider, the days from the first to the last of its lines."""
    spans: dict[str, Span] = {}
    for line in lines:
        first, last = spans.get(line.provider, (line.day, line.day))
        spans[line.provider] = min(first, line.day), max(last, line.day)
    return spans


def reconcile(bills: Sequence[Bill], used: LogUse, *, value: Value) -> Reconciliation:
    """Hold the bills against what the log holds of their days."""
    lines = [line for bill in bills for line in bill.lines]
    compared = [(model, list(model.rows())) for model in _compared(lines, used, value)]
    rows = [row for _, own in compared for row in own]
    told = [row for model, own in compared for row in own if not model.is_apart or row.type not in _IN_TOKENS]
    rows.sort(key=lambda row: (-(row.billed or row.logged or _ZERO), row.provider, row.model, row.type.value))
    return Reconciliation(
        sources=tuple(bill.source for bill in bills),
        first=min(line.day for line in lines),
        last=max(line.day for line in lines),
        currency=next((line.currency for line in lines if line.amount is not None), "USD"),
        priced=not used.costed,
        billed=_sum_of(row.billed for row in rows),
        explained=_sum_of(row.explained for row in rows if row.billed is not None),
        unexplained=_sum_of(_one_way(row.unexplained for row in rows if row.billed is not None)),
        rows=tuple(rows),
        notes=(*_notes(bills, rows, used), *_unpriced(told)),
    )


def _compared(lines: Sequence[BillLine], used: LogUse, value: Value) -> Iterator[_Compared]:
    """Each model of the bill or the log beside the other, and a provider as a whole where its amounts or tokens name no model."""
    by_model: defaultdict[Model, list[BillLine]] = defaultdict(list)
    for line in lines:
        by_model[line.provider, UNNAMED if line.model == UNNAMED else family(line.model)].append(line)
    without = {line.provider for line in lines} - {line.provider for line in lines if line.model != UNNAMED}
    lump = used.costed.keys() - {line.provider for line in lines if line.model != UNNAMED and line.amount is not None}
    in_log: defaultdict[Model, _Used] = defaultdict(_Used)
    for (provider, model), part in used.models.items():
        if provider not in without:
            in_log[provider, model].take(part)
        if provider in without | lump:
            in_log[provider, UNNAMED].take(part)
    for each in {**by_model, **in_log}:
        own, is_apart = by_model.get(each, []), each[0] in lump and each[1] != UNNAMED
        yield _Compared(each, own, used, in_log.get(each, _Used()), value=value, is_apart=is_apart)


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
        one = used.undated == 1
        yield f"{many(used.undated, 'call')} in the log {'carries no date and is' if one else 'carry no date and are'} not held against the bill."
    yield from _of_days(used)
    for bill in bills:
        yield from _of_file(bill)


def _of_days(used: LogUse) -> Iterator[str]:
    """Where costs and tokens are told for other days: what the amounts of the rest are."""
    for provider, (first, last) in used.costed.items():
        counted = used.counted.get(provider)
        if counted is not None and not first <= counted[0] <= counted[1] <= last:
            yield (
                f"{provider}'s costs are of {first} to {last} and its tokens of {counted[0]} to {counted[1]}:"
                " on days without a cost, tokens are valued at list prices."
            )


def _of_file(bill: Bill) -> Iterator[str]:
    if bill.goes_on:
        yield f"{bill.source} is not the last page of its report: what the pages after it hold is missing here."
    if bill.unknown_columns:
        yield f"Columns of {bill.source} that were not read: {', '.join(bill.unknown_columns[:12])}."
    for reason, count in bill.set_aside.items():
        yield f"{many(count, 'row')} of {bill.source} {'was' if count == 1 else 'were'} set aside: {reason}."


def _unpriced(rows: Sequence[BillRow]) -> Iterator[str]:
    """What the totals leave out, and what would help."""
    others = sorted({row.model for row in rows if row.billed is None and row.type is TokenType.OTHER})
    if others:
        yield f"Searches, pictures and the like are counted in the bill without an amount ({', '.join(others[:6])}); a cost report tells it."
    missing = [row for row in rows if row.explained is None and row.type is not TokenType.OTHER]
    if missing:
        lost = sum((row.billed or _ZERO for row in missing), _ZERO)
        yield (
            f"No price is known for {', '.join(sorted({row.model for row in missing})[:6])}: their tokens are compared, not their amounts"
            f"{f', and {lost:,.2f} that was billed is neither explained nor unexplained' if lost else ''}."
            " Add them to fairlead.toml under [prices]."
        )


_WITHOUT_CALLS = {
    TokenType.CREDIT: "a credit or refund: no call stands for it",
    TokenType.OTHER: "not billed by tokens (searches, tools, storage): a log of calls does not hold it",
}


class _Compared:
    """One model's lines of the bill beside what the log holds of it."""

    def __init__(
        self,
        model: Model,
        lines: Sequence[BillLine],
        log: LogUse,
        used: _Used,
        *,
        value: Value,
        is_apart: bool,
    ) -> None:
        self._provider, self._model = model
        self._lines = lines
        self._log = log
        self._used = used
        self._value = value
        self._costed = log.costed.get(self._provider)
        self._counted = log.counted.get(self._provider)
        self._counts = any(line.tokens is not None for line in lines)
        self._is_lump = any(line.type is TokenType.ALL for line in lines)
        self.is_apart = is_apart or self._is_lump
        """Whether the amounts stand elsewhere than beside the kinds of token, which are compared by count only."""

    def rows(self) -> Iterator[BillRow]:
        """A row for each kind of token that was billed or used."""
        for kind in TokenType:
            lines = [line for line in self._lines if line.type is kind]
            logged = self._logged(kind)
            if not lines and (kind is TokenType.ALL or (self._is_lump and not self._counts)):
                continue
            if lines or logged.tokens or logged.amount:
                yield self._row(kind, lines, logged)

    def _logged(self, kind: TokenType) -> _Sum:
        return self._used.of(kind, self._counted if self._counts else None)

    def _row(self, kind: TokenType, lines: Sequence[BillLine], logged: _Sum) -> BillRow:
        billed, amount = self._billed(kind, lines), logged.amount if logged.is_priced else None
        if self.is_apart and kind in _IN_TOKENS:
            billed = amount = None
        gap = None if billed is None or amount is None else billed - amount
        if kind is TokenType.CREDIT:
            gap = _ZERO
        return BillRow(
            provider=self._provider,
            model=self._model,
            type=kind,
            billed_tokens=self._tokens(lines),
            logged_tokens=logged.tokens,
            billed=billed,
            logged=amount,
            explained=None if billed is None or gap is None else billed - max(gap, _ZERO),
            unexplained=gap,
            reason=self._reason(kind, lines, logged, gap),
        )

    def _tokens(self, lines: Sequence[BillLine]) -> int | None:
        is_told = self._counts and not any(line.type is TokenType.ALL for line in lines)
        return sum(line.tokens or 0 for line in lines) if is_told else None

    def _billed(self, kind: TokenType, lines: Sequence[BillLine]) -> Decimal | None:
        """What was billed: the amounts on the days of a cost report, on others the tokens at list prices."""
        amounts = [line.amount for line in lines if line.amount is not None]
        counted = [line for line in lines if line.tokens and not _within(line.day, self._costed)]
        if kind is TokenType.OTHER and not amounts and any(line.tokens for line in lines):
            return None
        values = [None if kind is TokenType.OTHER else self._value(line) for line in counted]
        known = [each for each in values if each is not None]
        return sum([*amounts, *known], _ZERO) if len(known) == len(values) else None

    # The likeliest reason

    def _reason(self, kind: TokenType, lines: Sequence[BillLine], logged: _Sum, gap: Decimal | None) -> str:
        if kind is TokenType.CREDIT or (kind is TokenType.OTHER and (lines or not logged.amount)):
            return _WITHOUT_CALLS[kind]
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
        if self._model == UNNAMED and self._log.days.get(self._provider):
            return "the bill does not say for which model: export it by model or line item"
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
        yield self._refunded(lines, gap)
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
        used = self._logged(kind)
        return Decimal(used.tokens) if self._counts else used.amount

    def _refunded(self, lines: Sequence[BillLine], gap: Decimal | None) -> str:
        """Whether what was given back, in lines below zero, is what the log holds too much of."""
        back = sum((line.amount for line in lines if line.amount is not None and line.amount < 0), _ZERO)
        return f"{-back:,.2f} was given back: credits or refunds" if back and gap and _near(back, gap, _NEAR) else ""

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
        parts = [part for (each, on), part in self._used.sums.items() if on == day and kind in {each, TokenType.ALL}]
        tokens = self._tokens(today)
        if tokens is not None:
            return max(_ZERO, Decimal(tokens) - sum(part.tokens for part in parts))
        return max(_ZERO, (self._billed(kind, today) or _ZERO) - sum((part.amount for part in parts), _ZERO))

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
        if self._costed is not None and all(line.amount is None for line in lines):
            return "used and not billed: free, paid by a credit, or under another name in the cost report"
        told = self._refunded(lines, gap) or self._half(lines, logged, gap) or self._discount(lines, logged)
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


def _within(day: date, span: Span | None) -> bool:
    return span is not None and span[0] <= day <= span[1]


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
