"""Reads bills: the usage and cost reports of OpenAI and Anthropic, as tables and as their admin APIs give them.

Told apart by what they hold, never by a file's name: comma, tab or semicolon separated, with or without a byte order mark, old
and new columns. A table that is none of these is refused with its columns, and the nearest report with what it lacks. A row that
cannot be read, that adds up others, or that stands in another of the files already is set aside with the reason, never dropped.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from fairlead.core.billing import UNNAMED, Bill, BillLine, TokenType
from fairlead.core.errors import InputError, UnreadableLine
from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.core.wire.decode import decode
from fairlead.core.wire.failure import one_line
from fairlead.core.wire.moment import moment
from fairlead.edge.sources.cells import cells_up_to
from fairlead.edge.sources.counts import whole_number

LARGEST = 256 * 1024 * 1024
_LONGEST_NAME = 200
_DEEPEST = 8
_TOTALS = frozenset({"total", "totals", "grand total", "subtotal", "sub-total", "sum"})
_ADDS_UP = "they add up other rows"

Row = Mapping[str, JSON]
_Day = tuple[str, date, bool]
"""Provider and day, and whether it is told in tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """One kind of report: what it must hold, what else it may, and how a row of it becomes lines."""

    name: str
    needs: frozenset[str]
    knows: frozenset[str]
    lines: Callable[[Row], Iterator[BillLine]]


def read_bill(path: str | Path) -> Bill:
    """The bill in a file."""
    where = str(path)
    try:
        file = Path(path)
        if file.stat().st_size > LARGEST:
            raise InputError(f"{where} is larger than {LARGEST:,} bytes; a bill by day, model and key is smaller.")
        data = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"The bill {where} does not exist.") from None
    except OSError as error:
        raise InputError(f"The bill {where} cannot be read: {error.strerror}.") from error
    return parse_bill(data, where)


@dataclass(slots=True)
class _Rows:
    """The rows of a file, with the names of their columns, and how many were set aside for which reason."""

    rows: list[Row]
    columns: list[str]
    aside: Counter[str] = field(default_factory=Counter[str])
    goes_on: bool = False


def parse_bill(data: bytes, where: str) -> Bill:
    """The bill in the bytes of a file called `where`."""
    data = _utf8(data)
    if not data.strip():
        raise InputError(f"The bill {where} is empty: it has neither a header nor a row.")
    held = _results(data, where) if data.lstrip()[:1] in {b"{", b"["} else _table(data, where)
    report = _report_of(held.columns, where)
    lines: list[BillLine] = []
    for row in held.rows:
        try:
            lines += _lines_of(row, report)
        except UnreadableLine as error:
            held.aside[error.reason] += 1
    if not lines:
        raise InputError(f"The bill {where} ({report.name}) {_no_lines(held)}")
    return Bill(
        source=where,
        lines=tuple(lines),
        unknown_columns=tuple(
            name for name in held.columns if not any(name in r.needs | r.knows for r in _alike(report))
        ),
        set_aside=dict(held.aside),
        goes_on=held.goes_on,
    )


def _utf8(data: bytes) -> bytes:
    """The bytes without their mark; spreadsheets also save "Unicode text", two bytes a letter."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        data = data.decode("utf-16", "replace").encode()
    return data.removeprefix(b"\xef\xbb\xbf")


def _no_lines(held: _Rows) -> str:
    if held.aside:
        return f"holds no line that can be read: {held.aside.most_common(1)[0][0]}."
    what = "names no use: every count is zero" if held.rows else "has a header and no row: nothing was used"
    return f"{what}. Choose a longer period."


def _lines_of(row: Row, report: _Report) -> list[BillLine]:
    """The lines of a row, by the report that fits the row: an answer of an API may hold several kinds of result."""
    if any(str(row.get(name) or "").strip().lower() in _TOTALS for name in _NAMING):
        raise UnreadableLine(_ADDS_UP)
    fits = next((each for each in _alike(report) if each.needs <= row.keys()), report)
    return list(fits.lines(row))


_NAMING = ("model", "model_version", "line_item", "usage_date_utc", "start_time", "start_time_iso")
"""Columns in one of which a row that adds up others says so."""


def _alike(report: _Report) -> Sequence[_Report]:
    """The reports that may stand in one file with this one."""
    provider = report.name.partition(" ")[0]
    return [each for each in _REPORTS if each.name.startswith(provider)]


def _table(data: bytes, where: str) -> _Rows:
    text = data.decode("utf-8", "replace")
    header = text.lstrip().partition("\n")[0]
    delimiter = max(",\t;", key=header.count)
    try:
        with cells_up_to(1_000_000):
            reader = csv.reader(io.StringIO(text), delimiter=delimiter)
            names = [
                name.strip().strip("\ufeff") for name in next((cells for cells in reader if any(cells)), list[str]())
            ]
            body = [cells for cells in reader if any(cells)]
    except csv.Error as error:
        raise InputError(f"The bill {where} is neither a table nor JSON: {error}.") from error
    held = _Rows([], names)
    width = max(len(names), min(map(len, body), default=0))
    for cells in body:
        if len(cells) > width or any(cell.strip() for cell in cells[len(names) :]):
            held.aside["there are more cells than the header has; is a number with a comma in it not in quotes?"] += 1
        else:
            held.rows.append({name: cell.strip() for name, cell in zip(names, cells, strict=False)})
    if any(_has_decimal_comma(row, is_local=delimiter == ";") for row in held.rows):
        held.rows = [_with_points(row) for row in held.rows]
    return held


_AMOUNTS = ("cost_usd", "list_price_usd", "amount_value", "amount.value", "amount")
_COMMA_LAST = re.compile(r"\D{0,4}(?:[\d.' \xa0\u202f]*),(?P<part>\d+)\D{0,4}")


def _has_decimal_comma(row: Row, *, is_local: bool) -> bool:
    """Whether an amount of the row can only be read with a comma before its cents; in a local table `1,234` counts too."""
    for name in _AMOUNTS:
        found = _COMMA_LAST.fullmatch(str(row.get(name) or ""))
        if found and (is_local or len(found["part"]) != 3 or "." in found[0]):
            return True
    return False


_LOCAL_THOUSANDS = re.compile(r"\.(?=\d{3}(?!\d))")


def _with_points(row: Row) -> Row:
    """The row with its amounts written with a point before the cents, where the table has a comma there."""
    local = {name: _LOCAL_THOUSANDS.sub("", str(row[name])) for name in _AMOUNTS if row.get(name)}
    return {**row, **{name: held.replace(",", ".") for name, held in local.items()}}


def _results(data: bytes, where: str) -> _Rows:
    """The rows of an admin API's pages: one page, a list of pages or buckets, or one of them a line."""
    try:
        documents: list[JSON] = [decode(data)]
    except UnreadableLine:
        try:
            documents = [decode(line) for line in data.splitlines() if line.strip()]
        except UnreadableLine as error:
            raise InputError(f"The bill {where} is neither a table nor JSON: {error.reason}.") from error
    rows = [row for document in documents for row in _buckets(document, {})]
    if not rows:
        raise InputError(f"The bill {where} holds no result: nothing was used in its days. Choose a longer period.")
    pages = documents[-1] if isinstance(documents[-1], list) else documents
    last = pages[-1] if pages else None
    return _Rows(
        rows,
        sorted({name for row in rows for name in row}),
        goes_on=isinstance(last, dict) and last.get("has_more") is True,
    )


def _buckets(value: JSON, times: Row, depth: int = 0) -> Iterator[Row]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value:
            yield from _buckets(item, times, depth + 1)
    elif isinstance(value, dict):
        own = {name: value[name] for name in _TIMES if value.get(name) is not None}
        inner = value.get("data") if isinstance(value.get("data"), list) else value.get("results")
        if isinstance(inner, list):
            yield from _buckets(inner, {**times, **own}, depth + 1)
        else:
            yield {**times, **_flat(value)}


_TIMES = ("start_time", "end_time", "start_time_iso", "end_time_iso", "starting_at", "ending_at")


def _flat(value: Row) -> dict[str, JSON]:
    flat: dict[str, JSON] = {}
    for name, held in value.items():
        if isinstance(held, dict):
            flat |= {f"{name}.{inner}": each for inner, each in held.items()}
        else:
            flat[name] = held
    return flat


def _report_of(columns: Sequence[str], where: str) -> _Report:
    held = set(columns)
    for report in _REPORTS:
        if report.needs <= held:
            return report
    if held and held <= set(_TIMES) | {"object"}:
        raise InputError(f"The bill {where} names times only: nothing was used in them. Choose a longer period.")
    nearest = max(_REPORTS, key=lambda report: len((report.needs | report.knows) & held))
    known = nearest.needs | nearest.knows
    unknown = [one_line(name)[:40] for name in columns if name not in known]
    lacks = ", ".join(sorted(nearest.needs - held))
    raise InputError(
        f"{where} is no bill that Fairlead knows: unknown columns {', '.join(unknown[:20]) or 'none'}"
        f"{f' and {len(unknown) - 20} more' if len(unknown) > 20 else ''}; "
        f"nearest is the {nearest.name}, which also has {lacks}."
    )


def _day(row: Row, *names: str) -> date:
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        found = _day_of(value)
        if found is not None:
            return found
    told = next((str(row[name]) for name in names if row.get(name) not in (None, "")), "")
    raise UnreadableLine(
        f"{one_line(told)[:40]!r} is no day that can be told; days are written as 2026-06-01"
        if told
        else "no day is named"
    )


def _day_of(value: JSON) -> date | None:
    """The day of a bucket: the date it is written with where it begins at midnight, whatever the zone, else that in UTC."""
    if isinstance(value, str) and len(value) >= 10:
        try:
            written = datetime.fromisoformat(value)
        except ValueError:
            written = None
        if written is not None and written.tzinfo is not None and (written.hour or written.minute):
            return written.astimezone(UTC).date()
        try:
            return date.fromisoformat(value[:10])
        except ValueError:
            return None
    found = moment(value, now=datetime(9000, 1, 1, tzinfo=UTC)).at
    return None if found is None else found.date()


_SIGNS: Mapping[str, str] = {"$": "USD", "€": "EUR", "£": "GBP", "₹": "INR"}
_AROUND = re.compile(r"(?:(?:US|USD|EUR|GBP|INR)\b|US(?=\$)|[$€£₹]|[\s\xa0\u202f'])", re.IGNORECASE)


def _amount(value: JSON) -> Decimal | None:
    """An amount as people and spreadsheets write it: `$1,234.50`, `-$3`, `(3.00)` and `3.00 USD` too."""
    if value in (None, ""):
        return None
    text = _AROUND.sub("", str(value)).replace("\u2212", "-").replace(",", "")
    if text.startswith("(") and text.endswith(")"):
        text = f"-{text[1:-1]}"
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise UnreadableLine(f"amount {one_line(str(value))[:40]!r} is no number") from None
    if not found.is_finite() or abs(found) > 10**12:
        raise UnreadableLine("an amount is no amount")
    return found


def _paid(row: Row, *names: str) -> Decimal:
    found = next((amount for name in names if (amount := _amount(row.get(name))) is not None), None)
    if found is None:
        raise UnreadableLine("no amount is named")
    return found


_THOUSANDS = re.compile(r"[,'\s\xa0\u202f](?=\d{3})")


def _count(row: Row, *names: str) -> int:
    for name in names:
        value = row.get(name)
        if value in (None, ""):
            continue
        found = whole_number(_THOUSANDS.sub("", value) if isinstance(value, str) else value)
        if found is None:
            raise UnreadableLine(f"{name} {one_line(str(value))[:40]!r} is no count")
        return found
    return 0


def _label(row: Row, *names: str) -> str | None:
    found = next((label for name in names if (label := fields.label(row.get(name)))), None)
    return None if found is None else found[:_LONGEST_NAME]


def _tier(value: JSON) -> str | None:
    word = str(value or "").strip().lower()
    if word == "true" or "batch" in word:
        return "batch"
    return next((tier for tier in ("flex", "priority") if re.search(rf"\b{tier}\b", word)), None)


def _by_tokens(line: BillLine, counts: Mapping[TokenType, int]) -> Iterator[BillLine]:
    for kind, count in counts.items():
        if count:
            yield _with(line, kind, tokens=count)


def _with(
    line: BillLine,
    kind: TokenType,
    *,
    tokens: int | None = None,
    amount: Decimal | None = None,
    list_amount: Decimal | None = None,
) -> BillLine:
    return BillLine(
        provider=line.provider, day=line.day, model=line.model, type=kind, tokens=tokens, amount=amount,
        list_amount=list_amount, currency=line.currency, tier=line.tier, key=line.key, project=line.project,
    )  # fmt: skip


# Anthropic


def _anthropic_usage(row: Row) -> Iterator[BillLine]:
    line = _line("anthropic", row, _day(row, "usage_date_utc", "starting_at"), ("model_version", "model"))
    yield from _by_tokens(
        line,
        {
            TokenType.INPUT: _count(row, "usage_input_tokens_no_cache", "uncached_input_tokens"),
            TokenType.CACHE_READ: _count(row, "usage_input_tokens_cache_read", "cache_read_input_tokens"),
            TokenType.CACHE_WRITE_5M: _count(
                row, "usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write",
                "cache_creation.ephemeral_5m_input_tokens", "cache_creation_input_tokens",
            ),
            TokenType.CACHE_WRITE_1H: _count(
                row, "usage_input_tokens_cache_write_1h", "cache_creation.ephemeral_1h_input_tokens"
            ),
            TokenType.OUTPUT: _count(row, "usage_output_tokens", "output_tokens"),
            TokenType.OTHER: _count(row, "web_search_count", "server_tool_use.web_search_requests"),
        },
    )  # fmt: skip


def _line(provider: str, row: Row, day: date, model: tuple[str, ...]) -> BillLine:
    return BillLine(
        provider=provider,
        day=day,
        model=_label(row, *model) or UNNAMED,
        type=TokenType.OTHER,
        currency=_currency(row),
        tier=_tier(row.get("usage_type") or row.get("service_tier") or row.get("batch")),
        key=_label(row, "api_key", "api_key_name", "api_key_id"),
        project=_label(row, "workspace", "project_name", "project_id", "workspace_id"),
    )


def _currency(row: Row) -> str:
    """The currency that a row names, or that its amounts are written with; dollars where neither tells."""
    named = _label(row, "currency", "amount.currency", "amount_currency")
    signs = (sign for name in _AMOUNTS for sign in _SIGNS if sign in str(row.get(name) or ""))
    return named.upper() if named else _SIGNS.get(next(signs, ""), "USD")


def _kind(found: TokenType | None, amount: Decimal, *, is_told: bool) -> TokenType:
    """What an amount is for: without any word of it everything, without tokens something else, below zero then a credit."""
    if found is not None:
        return found
    if not is_told:
        return TokenType.ALL
    return TokenType.OTHER if amount >= 0 else TokenType.CREDIT


_ANTHROPIC_TYPES: Mapping[str, TokenType] = {
    "input_no_cache": TokenType.INPUT,
    "uncached_input_tokens": TokenType.INPUT,
    "input": TokenType.INPUT,
    "input_cache_read": TokenType.CACHE_READ,
    "cache_read_input_tokens": TokenType.CACHE_READ,
    "input_cache_write_5m": TokenType.CACHE_WRITE_5M,
    "input_cache_write": TokenType.CACHE_WRITE_5M,
    "cache_creation.ephemeral_5m_input_tokens": TokenType.CACHE_WRITE_5M,
    "input_cache_write_1h": TokenType.CACHE_WRITE_1H,
    "cache_creation.ephemeral_1h_input_tokens": TokenType.CACHE_WRITE_1H,
    "output": TokenType.OUTPUT,
    "output_tokens": TokenType.OUTPUT,
}


def _anthropic_cost(row: Row) -> Iterator[BillLine]:
    line = _line("anthropic", row, _day(row, "usage_date_utc"), ("model",))
    amount = _paid(row, "cost_usd")
    yield _with(line, _anthropic_kind(row, amount), amount=amount, list_amount=_amount(row.get("list_price_usd")))


def _anthropic_cost_report(row: Row) -> Iterator[BillLine]:
    """The API gives amounts in cents."""
    line = _line("anthropic", row, _day(row, "starting_at"), ("model", "description"))
    amount = _paid(row, "amount")
    yield _with(line, _anthropic_kind(row, amount), amount=amount / 100)


def _anthropic_kind(row: Row, amount: Decimal) -> TokenType:
    word = str(row.get("token_type") or "").strip().lower()
    told = word or _label(row, "description", "cost_type") not in {None, "token", "tokens"}
    return _kind(_ANTHROPIC_TYPES.get(word), amount, is_told=bool(told))


# OpenAI


def _openai_usage(row: Row) -> Iterator[BillLine]:
    """Input includes cached and audio tokens, and cached ones may be audio or images; what is inside is taken out."""
    line = _line("openai", row, _day(row, "start_time", "start_time_iso"), ("model",))
    whole, cached = _count(row, "input_tokens"), _count(row, "input_cached_tokens")
    heard = max(0, _count(row, "input_audio_tokens") - _count(row, "input_cached_audio_tokens"))
    seen = max(0, _count(row, "input_image_tokens") - _count(row, "input_cached_image_tokens"))
    spoken = _count(row, "output_audio_tokens")
    fresh, said = whole - cached - heard - seen, _count(row, "output_tokens") - spoken
    if fresh < 0 or said < 0:
        raise UnreadableLine("cached or audio tokens outnumber the tokens they are part of")
    yield from _by_tokens(
        line,
        {
            TokenType.INPUT: fresh,
            TokenType.CACHE_READ: cached,
            TokenType.OUTPUT: said,
            TokenType.AUDIO_IN: heard,
            TokenType.IMAGE_IN: seen,
            TokenType.AUDIO_OUT: spoken,
        },
    )


_OTHER_USES = ("images", "characters", "seconds", "num_sessions", "usage_bytes")
"""What OpenAI counts of products that are not used by the token: pictures, speech, code interpreter, vector stores."""


def _openai_other_usage(row: Row) -> Iterator[BillLine]:
    """A product without a model is called by the API's own word for its results."""
    line = _line("openai", row, _day(row, "start_time", "start_time_iso"), ("model",))
    word = str(row.get("object") or "").removeprefix("organization.usage.").removesuffix(".result")
    named = line.model if line.model != UNNAMED else word.replace("_", " ") or "another product"
    yield from _by_tokens(replace(line, model=named[:_LONGEST_NAME]), {TokenType.OTHER: _count(row, *_OTHER_USES)})


_OPENAI_TYPES: Sequence[tuple[str, TokenType]] = (
    ("cached", TokenType.CACHE_READ),
    ("audio input", TokenType.AUDIO_IN),
    ("audio output", TokenType.AUDIO_OUT),
    ("input audio", TokenType.AUDIO_IN),
    ("output audio", TokenType.AUDIO_OUT),
    ("image input", TokenType.IMAGE_IN),
    ("output", TokenType.OUTPUT),
    ("input", TokenType.INPUT),
)


def _openai_cost(row: Row) -> Iterator[BillLine]:
    """A line item is `MODEL, input`, `MODEL, cached input`, `MODEL batch, output`; others are not for tokens."""
    line = _line("openai", row, _day(row, "start_time", "start_time_iso"), ("line_item", "model"))
    amount = _paid(row, "amount.value", "amount_value")
    item = line.model if _label(row, "line_item") else ""
    model, _, rest = item.partition(",")
    found = next((kind for word, kind in _OPENAI_TYPES if word in rest.lower()), None)
    name = model.strip().removesuffix(" batch") or line.model
    made = replace(line, model=name, tier=_tier(item) or line.tier)
    yield _with(made, _kind(found, amount, is_told=bool(item)), amount=amount)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ANTHROPIC_ROW = (
    "usage_type context_window inference_geo speed api_key workspace api_key_id api_key_status workspace_id"
)
_API_ROW = "object starting_at ending_at currency description service_tier"
_OPENAI_ROW = (
    "object start_time end_time start_time_iso end_time_iso project_id project_name user_id user_email api_key_id api_key_name"
    " organization_id organization_name"
)

_REPORTS: Sequence[_Report] = (
    _Report(
        name="Anthropic usage table",
        needs=_names("usage_date_utc model_version usage_input_tokens_no_cache usage_output_tokens"),
        knows=_names(
            _ANTHROPIC_ROW + " usage_input_tokens_cache_write_5m usage_input_tokens_cache_write_1h"
            " usage_input_tokens_cache_write usage_input_tokens_cache_read web_search_count"
        ),
        lines=_anthropic_usage,
    ),
    _Report(
        name="Anthropic cost table",
        needs=_names("usage_date_utc model token_type cost_usd"),
        knows=_names(_ANTHROPIC_ROW + " list_price_usd cost_type"),
        lines=_anthropic_cost,
    ),
    _Report(
        name="Anthropic usage report of the admin API",
        needs=_names("starting_at uncached_input_tokens output_tokens"),
        knows=_names(
            f"{_ANTHROPIC_ROW} {_API_ROW} model cache_read_input_tokens cache_creation.ephemeral_5m_input_tokens"
            " cache_creation.ephemeral_1h_input_tokens cache_creation_input_tokens server_tool_use.web_search_requests"
            " account_id service_account_id"
        ),
        lines=_anthropic_usage,
    ),
    _Report(
        name="Anthropic cost report of the admin API",
        needs=_names("starting_at amount currency"),
        knows=_names(f"{_ANTHROPIC_ROW} {_API_ROW} model cost_type token_type"),
        lines=_anthropic_cost_report,
    ),
    _Report(
        name="OpenAI costs",
        needs=_names("start_time amount.value"),
        knows=_names(f"{_OPENAI_ROW} line_item amount.currency model quantity"),
        lines=_openai_cost,
    ),
    _Report(
        name="OpenAI costs table",
        needs=_names("start_time amount_value"),
        knows=_names(f"{_OPENAI_ROW} line_item amount_currency model quantity"),
        lines=_openai_cost,
    ),
    _Report(
        name="OpenAI usage",
        needs=_names("start_time model input_tokens"),
        knows=_names(
            f"{_OPENAI_ROW} output_tokens num_model_requests batch service_tier input_cached_tokens input_audio_tokens"
            " output_audio_tokens input_uncached_tokens input_text_tokens output_text_tokens input_cached_text_tokens"
            " input_cached_audio_tokens input_image_tokens input_cached_image_tokens output_image_tokens"
        ),
        lines=_openai_usage,
    ),
    *(
        _Report(
            name="OpenAI usage of other products",
            needs=_names(f"start_time {counted}"),
            knows=_names(f"{_OPENAI_ROW} num_model_requests model size source input_tokens"),
            lines=_openai_other_usage,
        )
        for counted in _OTHER_USES
    ),
)


def read_bills(paths: Iterable[str | Path]) -> list[Bill]:
    """The bills in several files; a day that stands in two of them alike is counted once."""
    return list(_counted_once([read_bill(path) for path in paths]))


def _counted_once(bills: Sequence[Bill]) -> Iterator[Bill]:
    """The bills, largest first, without the days whose lines all stand in one that came before; in the order they were given."""
    known: list[tuple[str, Mapping[_Day, Counter[BillLine]]]] = []
    left: dict[int, Bill] = {}
    for place in sorted(range(len(bills)), key=lambda at: -len(bills[at].lines)):
        bill, days = bills[place], _by_day(bills[place].lines)
        for day, lines in list(days.items()):
            other = next((source for source, theirs in known if day in theirs and lines <= theirs[day]), None)
            if other is not None:
                bill = _without(bill, day, lines.total(), other)
                del days[day]
        known.append((bill.source, days))
        left[place] = bill
    yield from (left[place] for place in range(len(bills)))


def _day_line(line: BillLine) -> _Day:
    return line.provider, line.day, line.amount is None


def _by_day(lines: Iterable[BillLine]) -> dict[_Day, Counter[BillLine]]:
    days: dict[_Day, Counter[BillLine]] = {}
    for line in lines:
        days.setdefault(_day_line(line), Counter())[line] += 1
    return days


def _without(bill: Bill, day: _Day, count: int, other: str) -> Bill:
    reason = f"their day stands in {other} alike"
    return replace(
        bill,
        lines=tuple(line for line in bill.lines if _day_line(line) != day),
        set_aside={**bill.set_aside, reason: bill.set_aside.get(reason, 0) + count},
    )
