"""How pilots look in a terminal: what is about to happen, how it goes, what came out, and the verdicts on file."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from rich.live import Live
from rich.text import Text

from fairlead.core.evidence import Forecast
from fairlead.core.evidence.judges import Steadiness
from fairlead.core.money import people
from fairlead.core.nouns import Money
from fairlead.edge.app import judges, piloting
from fairlead.edge.cli.show.terminal import UNKNOWN, console, count, name, safe, say, seconds, table
from fairlead.edge.clients.address import address
from fairlead.pilot.progress import Progress
from fairlead.pilot.result import Ended, PilotResult, SideSummary, points, signed

WORKLOAD_WIDTH = 34


def announce(order: piloting.Order, prepared: Sequence[piloting.Prepared], *, left_out: Sequence[str] = ()) -> None:
    """Say where the traffic will go, how many requests, at what cost and time, and how each workload is graded."""
    candidate = order.candidate
    say(f"Candidate  {safe(candidate.model)} at {safe(candidate.endpoint, width=80)}")
    for judge in order.panel.judges if order.panel is not None else ():
        say(f"Judge      {safe(judge.model)} at {safe(judge.endpoint, width=80)}")
    made = table(
        ("Workload", False),
        ("Graded by", False),
        ("Can be drawn", True),
        ("Requests", True),
        ("Cost", True),
        ("Time", True),
        optional=("Time", "Can be drawn", "Graded by"),
    )
    for each in prepared:
        made.add_row(
            name(each.workload.name, width=WORKLOAD_WIDTH),
            name(each.grader_name, width=24),
            f"{each.frame.distinct:,}",
            f"≤ {each.estimate.requests:,}",
            at_most(each.estimate.cost),
            "≤ " + duration(each.estimate.seconds) if each.estimate.seconds is not None else UNKNOWN,
        )
    console().print(made)
    for line in (*announcements(order, prepared), *judging_announcements(order, prepared)):
        say(line)
    if left_out:
        names = ", ".join(safe(each, width=WORKLOAD_WIDTH) for each in left_out)
        say(f"Not piloted, for want of expected answers: {names}.")
    say()


def announcements(order: piloting.Order, prepared: Sequence[piloting.Prepared]) -> Iterator[str]:
    """What else a reader should know before the first request."""
    yield (
        f"The margin is {points(order.margin)} points; a pilot stops by itself when it is decided, usually long before the "
        "most shown. Time assumes the candidate is as quick as the incumbent was."
    )
    for each in prepared:
        if each.changed is not None:
            earlier, what = each.changed
            yield (
                f"{safe(each.workload.name, width=WORKLOAD_WIDTH)}: pilot {earlier} asked another question ({', '.join(what)} changed), so "
                f"this is new evidence, pilot {each.design.id}; nothing of the old is carried over."
            )
    yield from _set_aside(prepared)
    omitted = dict.fromkeys(parameter for each in prepared for parameter in each.not_sent)
    if omitted:
        yield f"Logged parameters that are not sent to the candidate: {safe(', '.join(omitted), width=100)}."
    if any(each.price is None for each in prepared):
        yield "The candidate's price is unknown: cost is unknown and a --budget counts requests. Give --price IN,OUT."
    for each in prepared:
        if each.right_today is not None and each.right_today < piloting.FEW_RIGHT:
            yield (
                f"{safe(each.workload.name)}: {each.right_today:.0%} of the first logged answers are right by "
                f"{each.grader_name}. If it is not the grader that was meant, both sides look equally wrong."
            )
    if order.budget is not None:
        yield f"Nothing is spent beyond the budget of {order.budget}."


def _set_aside(prepared: Sequence[piloting.Prepared]) -> Iterator[str]:
    """What cannot be drawn, and why."""
    unlabelled = sum(each.frame.without_expected for each in prepared)
    if unlabelled:
        yield f"{unlabelled:,} exchanges have no expected answer and are set aside."
    unrecorded = sum(each.frame.not_recorded for each in prepared)
    if unrecorded:
        yield f"{unrecorded:,} exchanges have no logged answer to compare with and are set aside."
    tried = sum(each.frame.by_candidate for each in prepared)
    if tried:
        yield f"{tried:,} exchanges were answered by a candidate through the gateway, not by the incumbent, and are set aside; --reask URL uses them too."


def judging_announcements(order: piloting.Order, prepared: Sequence[piloting.Prepared]) -> Iterator[str]:
    """What a reader should know about who compares the answers."""
    panel = order.panel
    if panel is not None:
        fees = [each.fees for each in prepared if each.fees is not None]
        asked = sum(each.requests for each in fees)
        known = [each.cost for each in fees if each.cost is not None]
        paid = "at a cost that is unknown (--judge-price IN,OUT)"
        if known and len(known) == len(fees):
            total = sum((money.amount for money in known), Decimal(0))
            paid = f"costing {at_most(Money(amount=total, currency=known[0].currency))} on top"
        hosts = ", ".join(dict.fromkeys(safe(host, width=60) for host in judging_hosts(order)))
        yield (
            f"The logged requests and both answers, with the models' names taken out, also go to {hosts}: {asked:,} questions "
            f"at most, {paid}; the budget covers them."
        )
        yield f"The verdict will say what {safe(together(prepared), width=120)} prefers, not which answers are better; only people can say that (--people, fairlead review)."
        if panel.controls or panel.verbosity:
            yield (
                f"Once for each judge and rubric it is tested first on up to {panel.controls:,} pairs of two answers of the candidate and {panel.verbosity:,} "
                "of a brief and a detailed one: two requests to the candidate and two questions to each judge for a pair, from the same budget."
            )
        unknown = judges.unknown_families(panel)
        if unknown:
            yield f"Whose model {safe(', '.join(unknown), width=80)} is cannot be told from the name, so kinship with a contestant was not ruled out."
        if panel.forced:
            yield "--force-judge: a judge of a contestant's own family is let in, and every verdict will say so."
    if order.people:
        yield (
            "The pilot goes on to its last pair, so that people have pairs to look at; stop it when you like, then fairlead review."
        )


def judging_hosts(order: piloting.Order) -> list[str]:
    """Where the judges are."""
    return [] if order.panel is None else [address(judge.endpoint).host for judge in order.panel.judges]


def together(prepared: Sequence[piloting.Prepared]) -> str:
    """What the judges are called together."""
    judging = prepared[0].design.judging if prepared else None
    return judging.name if judging is not None else "the judge"


def at_most(cost: Money | None) -> str:
    """A cost as an upper estimate."""
    if cost is None:
        return UNKNOWN
    amount = people(cost)
    return amount if amount.startswith("under ") else f"≤ {amount}"


def duration(value: float | None) -> str:
    """Seconds as people say them."""
    if value is None:
        return UNKNOWN
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def prepared_record(each: piloting.Prepared) -> dict[str, Any]:
    """What a dry run says of one pilot, for machines."""
    return {
        "workload": {"id": each.workload.id, "name": each.workload.name},
        "pilot_id": each.design.id,
        "changed": None if each.changed is None else {"earlier": each.changed[0], "what": list(each.changed[1])},
        "engine": each.design.betting.engine,
        "endpoint": each.design.candidate.endpoint,
        "model": each.design.candidate.model,
        "grader": each.design.grader,
        "margin": each.design.margin,
        "can_be_drawn": each.frame.distinct,
        "without_expected": each.frame.without_expected,
        "not_recorded": each.frame.not_recorded,
        "by_candidate": each.frame.by_candidate,
        "requests": each.estimate.requests,
        "cost": each.estimate.cost,
        "seconds": each.estimate.seconds,
        "not_sent": each.not_sent,
        "right_today": each.right_today,
        "judges": [
            {"model": judge.model, "endpoint": judge.endpoint, "temperature": judge.temperature}
            for judge in (each.design.judging.judges if each.design.judging is not None else ())
        ],
        "judge_requests": None if each.fees is None else each.fees.requests,
        "judge_cost": None if each.fees is None else each.fees.cost,
    }


@contextmanager
def pilot_progress(
    each: piloting.Prepared, *, place: int, of: int, quiet: bool
) -> Generator[Callable[[Progress], None]]:
    """A live line on stderr: pairs, interval, verdict, cost, forecast; silent when `quiet` or not a terminal."""
    shown = console(stderr=True)
    if quiet or not shown.is_terminal:
        yield lambda _progress: None
        return
    title = f"{place}/{of} {safe(each.workload.name, width=WORKLOAD_WIDTH)}" if of > 1 else safe(each.workload.name)
    with Live(Text(f"{title}: starting"), console=shown, transient=True, refresh_per_second=8) as live:
        yield lambda progress: live.update(Text(f"{title}: {progress_words(progress)}"))


def progress_words(progress: Progress) -> str:
    """A running pilot in one line."""
    words = [f"{progress.pairs:,} pairs"]
    if progress.mean is not None:
        words.append(f"{interval(progress.low, progress.high)}  {safe(progress.said, width=90)}")
    if progress.cost is not None:
        words.append(f"spent {people(progress.cost)}")
    if progress.forecast is not None:
        words.append(forecast_words(progress.forecast))
    if progress.failures:
        words.append(f"{progress.failures:,} failed")
    if progress.rate:
        words.append(f"{progress.rate:,.0f} pairs/s")
    return " · ".join(words)


def forecast_words(forecast: Forecast) -> str:
    """How many more pairs, in words."""
    return f"about {forecast.median:,} more pairs" if forecast.median is not None else "more than 20,000 more pairs"


def interval(low: float, high: float) -> str:
    """An interval in signed points."""
    return f"{signed(low)} to {signed(high)} points"


def pilot_line(each: piloting.Prepared, result: PilotResult) -> None:
    """One line when a pilot has ended."""
    judged = result.judgement
    say(
        f"{safe(each.workload.name, width=WORKLOAD_WIDTH):<{WORKLOAD_WIDTH}}  {safe(result.said, width=90):<37} {interval(judged.low, judged.high):>24}"
        f"  after {judged.n:,} pairs{ending(result)}"
    )


def ending(result: PilotResult) -> str:
    """Why a pilot ended, where the verdict does not say it already."""
    if result.ended is Ended.DECIDED:
        return ""
    more = f"; {forecast_words(result.forecast)} needed" if result.forecast is not None else ""
    return f" ({result.ended}{more})"


def pilot_result(result: PilotResult) -> None:
    """A pilot's outcome in full: the verdict in words, both sides beside each other, what it rests on."""
    say()
    say(result.words)
    if result.message:
        say(result.message)
    made = table(("", False), ("incumbent", True), ("candidate", True))
    for label, value in SIDE_ROWS.items():
        shown = "preferred in" if label == "mean grade" and result.speaker else label
        made.add_row(shown, value(result.incumbent), value(result.candidate))
    console().print(made)
    for line in (*judge_lines(result), *control_lines(result.controls), *basis_lines(result)):
        say(line)


def judge_lines(result: PilotResult) -> Iterator[str]:
    """How the judges did: what sways them, how often they could not be read, what they cost."""
    found = result.judges
    if found is None:
        return
    for judge in found.judges:
        yield f"Judge {safe(judge.judge)}: " + "; ".join(steadiness(judge)) + "."
    more = [f"{found.by_rule:,} of {found.pairs:,} pairs needed no judge (a side failed, or both said the same)"]
    if found.agreement is not None:
        more.append(f"the judges lean the same way in {found.agreement:.0%} of pairs")
    if found.shortened:
        more.append(f"{found.shortened:,} pairs were too long to be shown whole")
    if found.addressed:
        more.append(f"in {found.addressed:,} pairs an answer speaks to its judge")
    cost = UNKNOWN if result.judges_spent is None else people(result.judges_spent)
    more.append(
        f"{result.judges_requests:,} questions asked, cost {cost} of the whole {UNKNOWN if result.spent is None else people(result.spent)}"
    )
    yield f"{'; '.join(more)}."


def control_lines(tested: Mapping[str, Any] | None) -> Iterator[str]:
    """What the controls found about the judges."""
    if tested is None:
        return
    alike, wordy = tested["alike"], tested["verbosity"]
    if alike["pairs"]:
        yield (
            f"Control, two answers of one model: net preference {interval(alike['low'], alike['high'])} over {alike['pairs']:,} pairs "
            f"({alike['same']:,} the same); 0 is inside, as it must be."
        )
    if wordy["pairs"]:
        slope = wordy["judges"]["judges"][0]["length_slope"]
        rise = "" if slope is None else f"; twice as long gains {signed(slope)} points"
        yield f"Control, one model brief and detailed: detailed is preferred by {signed(wordy['mean'] or 0.0)} points over {wordy['pairs']:,} pairs{rise}."


def steadiness(judge: Steadiness) -> Iterator[str]:
    """What sways one judge, in words."""
    if judge.consistent is not None:
        yield f"both orders agree in {judge.consistent:.0%} of {judge.pairs:,} pairs"
    if judge.first_place is not None:
        yield f"prefers what it sees first in {judge.first_place:.0%} of its choices"
    if judge.longer is not None:
        yield f"prefers the longer answer in {judge.longer:.0%}"
    if judge.length_slope is not None:
        error = "" if judge.length_slope_se is None else f" ± {100 * judge.length_slope_se:.1f}"
        yield f"an answer twice as long gains {signed(judge.length_slope)}{error} points"
    yield f"{judge.unread:,} of {judge.calls:,} verdicts could not be read (counted as no preference), {judge.repairs:,} were asked for again"


def tokens(side: SideSummary) -> str:
    """Mean tokens in and out."""
    if side.input_tokens is None or side.output_tokens is None:
        return UNKNOWN
    return f"{count(round(side.input_tokens))} / {count(round(side.output_tokens))}"


def failures(side: SideSummary) -> str:
    """How many answers failed, and how."""
    kinds = ", ".join(f"{number} {kind}" for kind, number in side.failures.items())
    return f"{side.failed:,}" + (f" ({kinds})" if kinds else "")


SIDE_ROWS: Mapping[str, Callable[[SideSummary], str]] = {
    "model": lambda side: safe(", ".join(side.models) or UNKNOWN, width=40),
    "mean grade": lambda side: UNKNOWN if side.score is None else f"{side.score:.1%}",
    "latency p50 / p95": lambda side: f"{seconds(side.latency_p50_s)} / {seconds(side.latency_p95_s)}",
    "tokens in / out": tokens,
    "failures": failures,
    "refusals": lambda side: f"{side.refusals:,}",
    "cost": lambda side: UNKNOWN if side.cost is None else people(side.cost),
}


def basis_lines(result: PilotResult) -> Iterator[str]:
    """What the verdict rests on."""
    design, basis = result.design, result.basis
    yield (
        f"Rests on: grader {design.grader}; prompts {basis.prompts}; pilot {result.pilot_id}; seed {design.seed}; "
        f"{basis_dates(result)}."
    )
    if result.not_sent:
        yield f"Not sent: {safe(', '.join(result.not_sent), width=100)}."


def basis_dates(result: PilotResult) -> str:
    """The dates of the traffic a verdict rests on."""
    first, last = result.basis.log_from, result.basis.log_to
    return (
        "traffic without dates" if first is None or last is None else f"traffic of {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    )


def verdicts(rows: Sequence[Mapping[str, Any]]) -> None:
    """The verdicts on file."""
    if not rows:
        say("No verdicts yet; run fairlead pilot.")
        return
    made = table(
        ("Workload", False),
        ("Candidate", False),
        ("Graded by", False),
        ("Margin", True),
        ("Verdict", False),
        ("Difference", True),
        ("Pairs", True),
        ("Decided", False),
        optional=("Decided", "Pairs", "Margin", "Graded by"),
    )
    for row in rows:
        verdict = row["said"]
        made.add_row(
            name(row["workload"]["name"], width=WORKLOAD_WIDTH),
            name(row["candidate"], width=30),
            name(row["grader"].partition("@")[0], width=24),
            points(row["margin"]),
            Text(verdict + (" (out of date)" if row["out_of_date"] else "")),
            interval(row["low"], row["high"]),
            f"{row['n']:,}",
            str(row["decided_at"] or "")[:10],
        )
    console().print(made)
    for row in rows:
        for reason in row["out_of_date"]:
            say(f"{safe(row['workload']['name'])}: out of date, {safe(reason, width=150)}.")
    if len(rows) == 1:
        say(safe(rows[0]["words"], width=300))
        say(
            f"Rests on: grader {rows[0]['grader']}; incumbent {safe(', '.join(rows[0]['incumbent_models']), width=100)}; prompts {rows[0]['prompts']}."
        )


def whys(rows: Sequence[Mapping[str, Any]]) -> None:
    """Why each verdict on file is what it is."""
    if not rows:
        say("No verdicts yet; run fairlead pilot.")
    for row in rows:
        for line in why_lines(row):
            say(line)


def why_lines(row: Mapping[str, Any]) -> Iterator[str]:
    """One explanation, as lines; text from logs is made safe."""
    why = row["why"]
    yield f"{safe(row['workload']['name'])} with {safe(row['candidate'])}: {safe(row['said'], width=200)}"
    yield safe(row["words"], width=600)
    yield ""
    for title, lines in (
        ("Asked", [why["question"]]),
        ("Counted", [why["counts"], why["interval"]]),
        ("Proven", why["proof"]),
        ("Looks", [why["looks"]]),
        ("Judges", why["judges"]),
        ("Segments", why["segments"]),
        ("Clusters", [why["dependence"]]),
        ("What would change it", why["change"]),
    ):
        for place, line in enumerate(lines):
            yield f"{title if place == 0 else '':<21}{safe(line, width=600)}"
    for place, gate in enumerate(why["gates"]):
        mark = "✓" if gate["met"] else "✗"
        yield f"{'Gates' if place == 0 else '':<21}{mark} {gate['name']}: {safe(gate['words'], width=300)}"
    yield ""
