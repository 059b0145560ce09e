"""How a scan looks in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from rich.text import Text

from fairlead.core.plural import many
from fairlead.core.span import LogSpan
from fairlead.edge.app import scanning
from fairlead.edge.cli.show.terminal import (
    UNKNOWN,
    Grid,
    amount,
    console,
    count,
    day,
    name,
    safe,
    seconds,
    share,
    table,
)

SHOWN_SKIPS = 5
SHOWN_ASIDE = 6
PLACE_WIDTH = 60


def scan(survey: scanning.Survey, done: scanning.Scan | None, *, where: str) -> None:
    """Print what a scan found."""
    out = console()
    out.print(opening(survey, done, where=where))
    if survey.workloads:
        out.print()
        out.print(workloads(survey))
    for line in [*notes(survey), *redactions(done), *set_aside(done), *skips(done)]:
        out.print(Text(line))


def opening(survey: scanning.Survey, done: scanning.Scan | None, *, where: str) -> Text:
    """The first sentence: how much was read, over which time."""
    period = f", {days(survey.span)}" if survey.span else ""
    if done is None:
        return Text(f"{many(survey.exchanges, 'exchange')} in {where}{period}.")
    taken = done.taken
    known = taken.exchanges - taken.new
    already = f" ({known:,} of them known already)" if known else ""
    skipped = f"; {many(taken.skipped, 'line')} skipped" if taken.skipped else ""
    kept = f" Kept in {where}." if taken.exchanges else ""
    return Text(f"Read {many(taken.exchanges, 'exchange')}{already}{period}{skipped}.{kept}")


def days(span: LogSpan) -> str:
    """A span in words: `2 to 29 November 2026, 27.4 days`."""
    period = day(span.start) if span.start.date() == span.end.date() else f"{day(span.start)} to {day(span.end)}"
    return f"{period}, {span.length}"


def workloads(survey: scanning.Survey) -> Grid:
    """The table of workloads; amounts are a month's, or the log's own where it does not tell what a month is."""
    per = "In the log" if survey.month_unknown else "Per month"
    made = table(
        ("Workload", False), ("Category", False), ("Calls", True), ("Tokens in", True), ("cached", True),
        ("Tokens out", True), (per, True), ("Median", True), ("Answered by", False),
        optional=("Answered by", "cached", "Tokens out", "Tokens in", "Median"),
    )  # fmt: skip
    for found in survey.workloads:
        made.add_row(
            name(found.name),
            found.category,
            f"{found.calls:,}",
            count(found.input_tokens),
            share(found.cached_tokens, found.input_tokens),
            count(found.output_tokens),
            spend(found, survey),
            seconds(found.latency_p50_s),
            name(incumbents(found), width=30),
        )
    made.add_section()
    made.add_row(
        "all",
        "",
        f"{sum(w.calls for w in survey.workloads):,}",
        "",
        "",
        "",
        total(survey),
        "",
        "",
        style="bold",
    )
    return made


def spend(found: scanning.FoundWorkload, survey: scanning.Survey) -> str:
    """What a workload costs, `unknown` where it is, with a mark when some calls have no known cost."""
    known = _spent(found, survey)
    return UNKNOWN if known is None else amount(known, survey.rates.to) + ("+" if found.spend_unknown_calls else "")


def total(survey: scanning.Survey) -> str:
    """The sum of what is known, with a mark when some calls have no known cost."""
    known = [each for found in survey.workloads if (each := _spent(found, survey)) is not None]
    mark = "+" if any(w.spend_unknown_calls for w in survey.workloads) else ""
    return amount(sum(known, Decimal(0)), survey.rates.to) + mark if known else UNKNOWN


def _spent(found: scanning.FoundWorkload, survey: scanning.Survey) -> Decimal | None:
    return found.spend if survey.month_unknown else found.spend_per_month


def notes(survey: scanning.Survey) -> Iterator[str]:
    """What a reader must know about the figures."""
    if survey.month_unknown and survey.workloads:
        yield f"Spend per month is unknown: {survey.month_unknown}. Amounts are for the log's own calls."
    unpriced = sum(w.spend_unknown_calls for w in survey.workloads)
    if unpriced:
        reasons = survey.unknown_costs
        said = "; ".join(f"{safe(reason, width=90)} ({calls:,})" for reason, calls in islice(reasons.items(), 4))
        have = "has" if unpriced == 1 else "have"
        yield f"{many(unpriced, 'call')} {have} no known cost and {'is' if unpriced == 1 else 'are'} not in the sums (+): {said}.{scanning.price_advice(reasons)}"
    apart = survey.exchanges - sum(w.calls for w in survey.workloads)
    if apart > 0:
        yield f"{many(apart, 'exchange')} {'belongs' if apart == 1 else 'belong'} to no workload yet, for too few like {'it' if apart == 1 else 'them'} were seen, and {'is' if apart == 1 else 'are'} not in the table."
    tried = sum(w.by_candidate for w in survey.workloads)
    if tried:
        yield f"{many(tried, 'call')} {'was' if tried == 1 else 'were'} answered by a candidate through the gateway: {'it counts as a call' if tried == 1 else 'they count as calls'}, and nothing else of {'it' if tried == 1 else 'them'} is in the table."
    if survey.rates.day:
        yield f"Converted to {survey.rates.to} at the rate of {survey.rates.day} ({survey.rates.source}). {survey.rates.warning}".rstrip()


def redactions(done: scanning.Scan | None) -> Iterator[str]:
    """What was taken out before anything was stored, by kind and count."""
    if done is None:
        return
    report = done.taken.redacted
    if report.dropped:
        yield f"The bodies of {many(report.dropped, 'exchange')} were dropped; these cannot be replayed in a pilot."
    if report.places:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.places.most_common())
        yield f"Redacted ({done.policy}) before storing, in {many(report.touched, 'exchange')}: {kinds}."


def set_aside(done: scanning.Scan | None) -> Iterator[str]:
    """What was not understood in exchanges that were read all the same."""
    if done is None or not done.taken.set_aside:
        return
    most = sorted(done.taken.set_aside.items(), key=lambda each: -each[1])
    said = "; ".join(f"{safe(words, width=90)} ({count:,})" for words, count in most[:SHOWN_ASIDE])
    more = f"; and {len(most) - SHOWN_ASIDE:,} more (--json has them)" if len(most) > SHOWN_ASIDE else ""
    yield f"Set aside, the exchanges kept: {said}{more}."


def skips(done: scanning.Scan | None) -> Iterator[str]:
    """The lines that could not be read, the first few of them in full; a single one that leaves nothing is the error's to tell."""
    if done is None or not done.taken.skipped or (done.taken.skipped == 1 and not done.taken.exchanges):
        return
    yield f"{done.taken.skipped:,} skipped:"
    for line in done.taken.skipped_lines[:SHOWN_SKIPS]:
        yield f"  {place(line.source, line.line)}  {safe(line.reason, width=110)}"
    if done.taken.skipped > SHOWN_SKIPS:
        yield f"  … and {done.taken.skipped - SHOWN_SKIPS:,} more (--json lists a thousand)"


def place(source: str, line: int | None) -> str:
    """Where a line stands. A path too long to show loses its beginning, for its end says which file and line it is."""
    at = safe(source if line is None else f"{source}:{line}", width=1000)
    return at if len(at) <= PLACE_WIDTH else "…" + at[1 - PLACE_WIDTH :]


def incumbents(found: scanning.FoundWorkload) -> str:
    """Who answers today, the most frequent first."""
    if not found.models:
        return "candidates only"
    first, *rest = found.models
    return first + (f" and {len(rest)} more" if rest else "")
