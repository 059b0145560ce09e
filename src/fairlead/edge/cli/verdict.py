"""`fairlead verdict`: judge counts a user already has, or show the verdicts on file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fairlead.core.errors import UsageError
from fairlead.core.evidence import Evidence, Forecast, Histogram, Judgement, forecast
from fairlead.edge.cli import options
from fairlead.pilot.result import points, signed


@click.command(name="verdict")
@click.argument("workload", required=False)
@click.option("--wins", type=click.IntRange(0), help="Pairs in which the open model was better.")
@click.option("--ties", type=click.IntRange(0), help="Pairs in which both did equally well.")
@click.option("--losses", type=click.IntRange(0), help="Pairs in which the closed model was better.")
@click.option(
    "--margin", type=float, default=0.03, show_default=True, help="How much worse you would accept, as a share."
)
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Chance of any wrong statement, ever.")
@click.option("--why", is_flag=True, help="With WORKLOAD: say why, what would change it, and which gates it passed.")
@options.ledger
@options.config
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    workload: str | None,
    wins: int | None,
    ties: int | None,
    losses: int | None,
    margin: float,
    alpha: float,
    why: bool,
    ledger: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Judge counts you already have, or show the verdicts on file.

    \b
    With counts:  fairlead verdict --wins 30 --ties 240 --losses 30 --margin 0.05
    On file:      fairlead verdict [WORKLOAD] [--why]

    WORKLOAD is the beginning of an id or name. With counts, the exit code is 0 when the open model may replace the
    closed one (the whole interval lies above minus the margin) and 1 when that is not shown. The interval is a
    confidence sequence: it holds however often you look, so judging after every pair is allowed.

    \b
    The record printed by --json with counts:
      low, high             the 95 % interval of the difference in pass rate (open minus closed)
      verdict               open leads | equivalent | closed leads | undecided
      replace_ok            true when the open model may replace the closed one
      by_more_than_margin   true when the closed model leads by more than the margin
      more_pairs            {median, p80}: pairs until the margin is decided, null when over 20,000
    With WORKLOAD: {"verdicts": [{workload, candidate, verdict, low, high, n, replace_ok, blocked, segments, …}]}, and
    with --why also "why": {question, counts, interval, proof, looks, change, segments, dependence,
    gates: [{name, met, words}], judges}
    """
    counts = {"wins": wins, "ties": ties, "losses": losses}
    if all(count is None for count in counts.values()):
        show_on_file(workload, why=why, ledger=ledger, config=config, as_json=as_json)
        return
    if why:
        raise UsageError("--why explains a verdict on file; name its workload and leave the counts out.")
    absent = [name for name, count in counts.items() if count is None]
    if absent:
        raise UsageError(f"Counts need all three of --wins, --ties and --losses; missing: --{' and --'.join(absent)}.")
    evidence = Evidence(
        margin=margin, alpha=alpha, counts=Histogram.from_counts(wins=wins or 0, ties=ties or 0, losses=losses or 0)
    )
    judgement = evidence.judge()
    more = forecast(evidence)
    if as_json:
        options.print_json(record(judgement, more))
    else:
        click.echo(words(judgement, more, margin=margin, alpha=alpha))
    ctx.exit(0 if judgement.replace_ok else 1)


def record(judgement: Judgement, more: Forecast) -> dict[str, Any]:
    """The documented JSON record of a judgement."""
    return {
        "low": judgement.low,
        "high": judgement.high,
        "verdict": judgement.verdict,
        "replace_ok": judgement.replace_ok,
        "by_more_than_margin": judgement.by_more_than_margin,
        "more_pairs": {"median": more.median, "p80": more.p80},
    }


def words(judgement: Judgement, more: Forecast, *, margin: float, alpha: float) -> str:
    """The judgement as three lines for people."""
    size = ", by more than the margin" if judgement.by_more_than_margin else ""
    if judgement.mean is None:
        return "undecided\nThere are no pairs yet."
    lines = [
        f"{judgement.verdict}{size}",
        f"Difference in pass rate {signed(judgement.mean)} points, {100 * (1 - alpha):g} % interval {signed(judgement.low)} to "  # noqa: ISC004
        f"{signed(judgement.high)}, after {judgement.n:,} pairs; the margin is {points(margin)}.",
    ]
    if judgement.replace_ok:
        lines.append("The open model may replace the closed one.")
    elif judgement.by_more_than_margin:
        lines.append("The open model should not replace the closed one here.")
    elif more.median is None:
        lines.append("The margin would need more than 20,000 further pairs; choose a wider one or leave this as it is.")
    else:
        at_most = f"{more.p80:,}" if more.p80 is not None else "more than 20,000"
        lines.append(
            f"About {more.median:,} more pairs would decide the margin (at most {at_most} with 80 % probability)."
        )
    return "\n".join(lines)


def show_on_file(workload: str | None, *, why: bool, ledger: str | None, config: Path | None, as_json: bool) -> None:
    """Print the verdicts the ledger holds, newest pilot of each workload and candidate."""
    from fairlead.edge.app import on_file, opened  # noqa: PLC0415 - counts alone need no ledger
    from fairlead.edge.cli.show import pilot as show_pilot  # noqa: PLC0415

    with opened(ledger=ledger, config=config, create=False) as desk:
        verdicts = on_file.verdicts(desk, workload, explain=why)
    if as_json:
        options.print_json({"verdicts": verdicts})
    elif why:
        show_pilot.whys(verdicts)
    else:
        show_pilot.verdicts(verdicts)
