"""Reads bills: the usage and cost reports of OpenAI and Anthropic, as tables and as their admin APIs give them.

Told apart by what they hold, never by a file's name: comma or tab separated, with or without a byte order mark, old and new
columns. A table that is none of these is refused with its columns, and the nearest report with what it lacks.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from fairlead.core.billing import Bill, BillLine, TokenType
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

Row = Mapping[str, JSON]


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


def parse_bill(data: bytes, where: str) -> Bill:
    """The bill in the bytes of a file called `where`."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.lstrip()[:1] in {b"{", b"["}:
        rows = list(_results(data, where))
        columns = sorted({name for row in rows for name in row})
    else:
        rows, columns = _table(data, where)
    report = _report_of(columns, where)
    lines: list[BillLine] = []
    aside: Counter[str] = Counter()
    for row in rows:
        try:
            lines += report.lines(row)
        except UnreadableLine as error:
            aside[error.reason] += 1
    if not lines:
        why = f": {aside.most_common(1)[0][0]}" if aside else ""
        raise InputError(f"The bill {where} ({report.name}) holds no line that can be read{why}.")
    return Bill(
        source=where,
        lines=tuple(lines),
        unknown_columns=tuple(name for name in columns if name not in report.needs | report.knows),
        set_aside=dict(aside),
    )


def _table(data: bytes, where: str) -> tuple[list[Row], list[str]]:
    text = data.decode("utf-8", "replace")
    header = text.partition("\n")[0]
    delimiter = max(",\t;", key=header.count)
    try:
        with cells_up_to(1_000_000):
            reader = csv.reader(io.StringIO(text), delimiter=delimiter)
            names = [name.strip().strip("\ufeff") for name in next(reader, list[str]())]
            rows: list[Row] = [
                {name: cell.strip() for name, cell in zip(names, cells, strict=False)} for cells in reader if any(cells)
            ]
    except csv.Error as error:
        raise InputError(f"The bill {where} is neither a table nor JSON: {error}.") from error
    return rows, names


def _results(data: bytes, where: str) -> Iterator[Row]:
    """The rows of an admin API's pages: one page, a list of pages or buckets, or one of them a line."""
    try:
        documents: list[JSON] = [decode(data)]
    except UnreadableLine:
        try:
            documents = [decode(line) for line in data.splitlines() if line.strip()]
        except UnreadableLine as error:
            raise InputError(f"The bill {where} is neither a table nor JSON: {error.reason}.") from error
    for document in documents:
        yield from _buckets(document, {})


def _buckets(value: JSON, times: Row, depth: int = 0) -> Iterator[Row]:
    if depth > 4:
        return
    if isinstance(value, list):
        for item in value:
            yield from _buckets(item, times, depth + 1)
    elif isinstance(value, dict):
        own = {name: value[name] for name in _TIMES if value.get(name) is not None}
        inner = value.get("data") if isinstance(value.get("data"), list) else value.get("results")
        if isinstance(inner, list):
            yield from _buckets(inner, {**times, **own}, depth + 1)
        elif {**times, **own}:
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
        if isinstance(value, str) and len(value) >= 10:
            try:
                return date.fromisoformat(value[:10])
            except ValueError:
                continue
        found = moment(value, now=datetime(9000, 1, 1, tzinfo=UTC)).at
        if found is not None:
            return found.date()
    raise UnreadableLine("no day is named")


def _amount(value: JSON) -> Decimal | None:
    try:
        found = Decimal(str(value).strip().lstrip("$").replace(",", "")) if value not in (None, "") else None
    except InvalidOperation:
        raise UnreadableLine(f"amount {one_line(str(value))[:40]!r} is no number") from None
    if found is not None and (not found.is_finite() or abs(found) > 10**12):
        raise UnreadableLine("an amount is no amount")
    return found


def _count(row: Row, *names: str) -> int:
    for name in names:
        value = row.get(name)
        if value in (None, ""):
            continue
        found = whole_number(value.replace(",", "") if isinstance(value, str) else value)
        if found is None:
            raise UnreadableLine(f"{name} {one_line(str(value))[:40]!r} is no count")
        return found
    return 0


def _label(row: Row, *names: str) -> str | None:
    found = next((label for name in names if (label := fields.label(row.get(name)))), None)
    return None if found is None else found[:_LONGEST_NAME]


def _tier(value: JSON) -> str | None:
    word = str(value or "").strip().lower()
    if word in {"true", "batch", "message_batch"} or "batch" in word:
        return "batch"
    return word if word in {"flex", "priority"} else None


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
        model=_label(row, *model) or "unnamed",
        type=TokenType.OTHER,
        currency=(_label(row, "currency", "amount.currency", "amount_currency") or "USD").upper(),
        tier=_tier(row.get("usage_type") or row.get("service_tier") or row.get("batch")),
        key=_label(row, "api_key", "api_key_name", "api_key_id"),
        project=_label(row, "workspace", "project_name", "project_id", "workspace_id"),
    )


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
    kind = _ANTHROPIC_TYPES.get(str(row.get("token_type") or "").strip().lower(), TokenType.OTHER)
    amount = _amount(row.get("cost_usd"))
    if amount is None:
        raise UnreadableLine("no amount is named")
    yield _with(line, kind, amount=amount, list_amount=_amount(row.get("list_price_usd")))


def _anthropic_cost_report(row: Row) -> Iterator[BillLine]:
    """The API gives amounts in cents."""
    line = _line("anthropic", row, _day(row, "starting_at"), ("model", "description"))
    kind = _ANTHROPIC_TYPES.get(str(row.get("token_type") or "").strip().lower(), TokenType.OTHER)
    amount = _amount(row.get("amount"))
    if amount is None:
        raise UnreadableLine("no amount is named")
    yield _with(line, kind, amount=amount / 100)


# OpenAI


def _openai_usage(row: Row) -> Iterator[BillLine]:
    """Input includes cached and audio tokens; what is inside is taken out."""
    line = _line("openai", row, _day(row, "start_time", "start_time_iso"), ("model",))
    whole, cached = _count(row, "input_tokens"), _count(row, "input_cached_tokens")
    heard, seen, spoken = (
        _count(row, "input_audio_tokens"),
        _count(row, "input_image_tokens"),
        _count(row, "output_audio_tokens"),
    )
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
    line = _line("openai", row, _day(row, "start_time", "start_time_iso"), ("line_item",))
    amount = _amount(row.get("amount.value") if "amount.value" in row else row.get("amount_value"))
    if amount is None:
        raise UnreadableLine("no amount is named")
    model, _, rest = line.model.partition(",")
    words = rest.strip().lower() or line.model.lower()
    kind = next((kind for word, kind in _OPENAI_TYPES if rest and word in words), TokenType.OTHER)
    if kind is TokenType.OTHER and rest == "" and row.get("model"):
        model = str(row["model"])
    name = model.strip().removesuffix(" batch") or "unnamed"
    made = BillLine(
        provider=line.provider, day=line.day, model=name, type=kind, currency=line.currency, key=line.key, project=line.project,
        tier="batch" if "batch" in line.model.lower() else line.tier,
    )  # fmt: skip
    yield _with(made, kind, amount=amount)


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
        needs=_names("start_time line_item amount.value"),
        knows=_names(f"{_OPENAI_ROW} amount.currency model quantity"),
        lines=_openai_cost,
    ),
    _Report(
        name="OpenAI costs table",
        needs=_names("line_item amount_value"),
        knows=_names(f"{_OPENAI_ROW} amount_currency model quantity"),
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
)


def read_bills(paths: Iterable[str | Path]) -> list[Bill]:
    """The bills in several files."""
    return [read_bill(path) for path in paths]
