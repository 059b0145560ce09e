"""`fairlead scan`: read logs, find the workloads, say what each is and costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fairlead.core.errors import InputError
from fairlead.edge.app import Desk, billing, opened, scanning
from fairlead.edge.app.first_page import first_page
from fairlead.edge.cli import options
from fairlead.edge.cli.report import write
from fairlead.edge.cli.show import bill as show_bill
from fairlead.edge.cli.show import scan as show_scan
from fairlead.edge.cli.show import terminal
from fairlead.edge.report import render_first
from fairlead.scan import Reconciliation

PAGE = "fairlead-scan.html"


@click.command(name="scan")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@options.currency
@click.option(
    "--bill",
    "bills",
    multiple=True,
    metavar="FILE",
    help="A usage or cost report of OpenAI or Anthropic to hold against the log; may be repeated (docs/bills.md).",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Where the first report page goes (default: {PAGE}; with --json none).",
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    help="How many processes read long logs (default: as many as there are processors).",
)
@options.redact
@options.ledger
@options.config
@options.as_json
def command(
    paths: tuple[str, ...],
    bills: tuple[str, ...],
    page: Path | None,
    processes: int | None,
    currency: str | None,
    redact: str | None,
    ledger: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Read logs, find the workloads in them, say what kind of work each is and what it costs.

    \b
    fairlead scan logs.jsonl
    fairlead scan exports/ --ledger pilot.db
    zcat old.jsonl.gz | fairlead scan -
    fairlead scan                         the table again, from the ledger
    fairlead scan logs/ --bill anthropic-june.csv

    PATH is a file, a folder, or - for stdin; plain, .gz, .zst or .zip: bodies and exports of OpenAI, Anthropic, Gemini,
    LiteLLM, Langfuse, Helicone, Portkey, OpenTelemetry and others, told by what they hold (docs/log-formats.md). Reading
    a file twice adds nothing, so a scan that was stopped is simply run again. A line that cannot be read is shown with its
    number and reason, and skipped.
    Keys and secrets are taken out before anything is stored, personal data with --redact (docs/privacy.md).

    \b
    The record printed by --json:
      exchanges          readable exchanges (in the given paths; without paths, in the ledger)
      new                of these, not in the ledger before
      skipped            lines that could not be read
      skipped_lines      [{source, line, reason}], the first thousand
      set_aside          what was not understood in exchanges that were read all the same, {in words: count}; null without paths
      redact, redacted   the policy, and {exchanges, touched, dropped, places: {kind: count}}; null without paths
      span               {start, end, days} of the ledger's dated exchanges, or null
      currency, month_unknown
      workloads          [{id, name, category, confidence, reasons, others, endpoint, calls, requests, failures,
                         input_tokens, cached_tokens, output_tokens, spend, spend_per_month, spend_unknown_calls,
                         spend_unknown_reasons, latency_p50_s, latency_p95_s, models, calls_an_hour, peak_an_hour, peak_at,
                         input_spread, output_spread, cached_share, prefix_reuse, first_token, error_rate, trajectories,
                         steps, growth, daily, replayable, fidelity, tiers, data_class, by_candidate}], dearest first; null is
                         unknown; spreads are {p50, p95, highest, mean} over calls, `steps` over trajectories (docs/workloads.md)
      bill               null without --bill, else {sources, first, last, currency, priced, billed, explained, unexplained,
                         notes, rows: [{provider, model, type, billed_tokens, logged_tokens, billed, logged, explained,
                         unexplained, reason}]}; priced: amounts are the bill's tokens at list prices
      page               where the first report page was written, or null
    """
    billed = billing.readable(bills)
    with opened(ledger=ledger, config=config, create=bool(paths)) as desk:
        wanted = (currency or desk.settings.currency).upper()
        done = read(desk, paths, currency=wanted, redact=redact, processes=processes, quiet=as_json) if paths else None
        survey = done.survey if done else scanning.survey(desk, currency=wanted)
        bill = billing.reconciled(desk, billed) if billed else None
        page = page or (None if as_json else Path(PAGE))
        html = render_first(first_page(desk, survey, done=done, bill=bill)) if page and survey.workloads else ""
    if not as_json:
        tell(survey, done, bill, where=desk.where)
    conclude(record(survey, done, bill) if as_json else None, page, html)
    if done is not None and done.taken.exchanges == 0:
        raise InputError(nothing_read(paths, done, is_shown=not as_json))


def read(
    desk: Desk, paths: tuple[str, ...], *, currency: str, redact: str | None, processes: int | None, quiet: bool
) -> scanning.Scan:
    """Read logs into the ledger, with a bar."""
    with terminal.progress("scan", quiet=quiet) as bar:
        return scanning.run(
            desk, paths, currency=currency, on_progress=bar, redact=options.policy(redact),
            processes=processes, on_expected=bar.expect,
        )  # fmt: skip


def tell(
    survey: scanning.Survey,
    done: scanning.Scan | None,
    bill: Reconciliation | None,
    *,
    where: str,
) -> None:
    """Print the table and the bill."""
    show_scan.scan(survey, done, where=where)
    if bill is not None:
        show_bill.bill(bill)


def conclude(found: dict[str, Any] | None, page: Path | None, html: str) -> None:
    """Write the page, if there is one, and print the record or where the page is; a page that fails costs no record."""
    problem: InputError | None = None
    try:
        if page is not None and html:
            write(page, html)
    except InputError as error:
        problem = error
    written = str(page) if html and problem is None else None
    if found is not None:
        options.print_json({**found, "page": written})
    elif written:
        terminal.say(f"First page: {written}")
    if problem is not None:
        raise problem


def nothing_read(paths: tuple[str, ...], done: scanning.Scan, *, is_shown: bool) -> str:
    """Why a scan that found no exchange found none; reasons that are shown already are not said twice."""
    what = ", ".join(paths)
    if not done.taken.skipped:
        return f"Nothing to read in {what}: no line holds anything."
    if is_shown and done.taken.skipped > 1:
        return f"No exchange could be read from {what}; {done.taken.skipped:,} skipped. docs/log-formats.md lists what is read and where to get it."
    first = done.taken.skipped_lines[0]
    at = first.source if first.line is None else f"{first.source}:{first.line}"
    return f"No exchange could be read from {what}; {done.taken.skipped:,} skipped, the first at {at}: {first.reason}. docs/log-formats.md lists what is read and where to get it."


def record(survey: scanning.Survey, done: scanning.Scan | None, bill: Reconciliation | None = None) -> dict[str, Any]:
    """The documented JSON record; amounts are numbers here, rounded to a millionth."""
    span = survey.span
    return {
        "exchanges": done.taken.exchanges if done else survey.exchanges,
        "new": done.taken.new if done else 0,
        "skipped": done.taken.skipped if done else 0,
        "skipped_lines": done.taken.skipped_lines if done else (),
        "set_aside": done.taken.set_aside if done else None,
        "redact": done.policy if done else None,
        "redacted": done.taken.redacted.to_json() if done else None,
        "span": {"start": span.start, "end": span.end, "days": span.days} if span else None,
        "currency": survey.rates.to,
        "month_unknown": survey.month_unknown,
        "workloads": [workload_record(found) for found in survey.workloads],
        "bill": None if bill is None else bill_record(bill),
    }


def workload_record(found: scanning.FoundWorkload) -> dict[str, Any]:
    """The documented record of one workload."""
    row: dict[str, Any] = options.plain(found)
    for name in ("spend", "spend_per_month"):
        amount = getattr(found, name)
        row[name] = None if amount is None else round(float(amount), 6)
    return row


def bill_record(bill: Reconciliation) -> dict[str, Any]:
    """The documented record of a bill; amounts as those of workloads."""
    found: dict[str, Any] = options.plain(bill)
    for part in (found, *found["rows"]):
        for name in ("billed", "logged", "explained", "unexplained"):
            if part.get(name) is not None:
                part[name] = round(float(part[name]), 6)
    return {**found, "first": bill.first.isoformat(), "last": bill.last.isoformat()}
