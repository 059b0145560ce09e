"""How workloads look one by one: the list with their ids, and everything that is known of one."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from fairlead.edge.app import scanning, workloads
from fairlead.edge.cli.show.terminal import UNKNOWN, amount, console, count, day, name, safe, seconds, table
from fairlead.scan import Spread


def workload_list(survey: scanning.Survey) -> None:
    """Print the workloads with their ids."""
    made = table(("Id", False), ("Workload", False), ("Category", False), ("Calls", True), ("Texts", False))
    for found in survey.workloads:
        made.add_row(found.id, name(found.name), found.category, f"{found.calls:,}", found.data_class.value)
    console().print(made)


def workload_detail(detail: workloads.Detail, *, currency: str) -> None:
    """Print one workload in full."""
    out = console()
    found = detail.found
    out.print(Text(f"{safe(found.name, width=80)} ({found.id})", style="bold"))
    out.print()
    made = table(("", False), ("", False))
    made.show_header = False
    for what, value in facts(detail, currency=currency):
        made.add_row(what, Text(value))
    out.print(made)
    out.print()
    prompts = table(("Prompt version", False), ("Calls", True), ("Begins", False))
    for version in detail.prompts:
        prompts.add_row(version.id, f"{version.calls:,}", name(version.begins, width=100))
    out.print(prompts)


def facts(detail: workloads.Detail, *, currency: str) -> Iterator[tuple[str, str]]:
    """What is known of a workload, line by line."""
    found = detail.found
    sure = f" ({found.confidence:.0%} sure)".replace("%", " %") if found.confidence else ""
    yield "category", f"{found.category}{sure}: {safe('; '.join(found.reasons), width=200)}"
    if found.others:
        yield "also", ", ".join(found.others)
    yield "calls", f"{found.calls:,}, {found.requests:,} of them distinct; {calls_an_hour(found)}"
    yield "growth", growth(found)
    yield "spend a month", UNKNOWN if found.spend_per_month is None else amount(found.spend_per_month, currency)
    if found.spend_per_month is None and found.spend is not None:
        yield "in the log", amount(found.spend, currency)
    yield "tokens in", spread(found.input_spread)
    yield "tokens out", spread(found.output_spread)
    yield (
        "from cache",
        f"{percent(found.cached_share)} of input tokens; {percent(found.prefix_reuse)} of calls could reuse a prompt",
    )
    yield "latency", f"{seconds(found.latency_p50_s)} median, {seconds(found.latency_p95_s)} p95"
    if found.first_token.p50 is not None:
        yield "first token", f"{seconds(found.first_token.p50)} median, {seconds(found.first_token.p95)} p95"
    yield "errors", f"{percent(found.error_rate)} ({found.failures:,} calls)"
    if found.trajectories:
        yield "trajectories", f"{found.trajectories:,}, {steps(found.steps)}"
    yield "answered by", models(found) or UNKNOWN
    if found.by_candidate:
        yield (
            "by a candidate",
            f"{found.by_candidate:,} calls through the gateway; costs, tokens, latency and errors are without them",
        )
    if found.tiers:
        yield "tiers", ", ".join(f"{safe(tier)} {calls:,}" for tier, calls in found.tiers.items())
    lost = ", ".join(f"{flag} {calls:,}" for flag, calls in found.fidelity.items())
    yield "can be asked again", f"{found.replayable:,} of {found.calls:,}" + (f" ({lost})" if lost else "")
    yield "texts", "never leave this machine" if found.data_class.value == "local only" else "may go anywhere"
    if detail.pinned:
        yield "pinned", "no later scan joins it to another"
    if detail.aliases:
        yield "other ids", ", ".join(detail.aliases)


def calls_an_hour(found: scanning.FoundWorkload) -> str:
    """Calls an hour, and the busiest."""
    if found.calls_an_hour is None or found.peak_an_hour is None or found.peak_at is None:
        return "calls an hour unknown"
    return f"{found.calls_an_hour:,.1f} an hour, {found.peak_an_hour:,} in the busiest ({day(found.peak_at)}, {found.peak_at:%H:%M} UTC)"


def growth(found: scanning.FoundWorkload) -> str:
    """How the second half of the log compares with the first."""
    if found.growth is None:
        return UNKNOWN
    return f"{found.growth:+.0%} from the log's first half to its second".replace("%", " %").replace("-", "−")


def spread(values: Spread) -> str:
    """Median, p95 and the most."""
    if values.p50 is None or values.p95 is None or values.highest is None:
        return UNKNOWN
    return f"{count(round(values.p50))} median, {count(round(values.p95))} p95, {count(round(values.highest))} at most"


def steps(values: Spread) -> str:
    """Steps of a trajectory."""
    if values.p50 is None or values.highest is None:
        return UNKNOWN
    return f"{values.p50:g} steps median, {values.highest:g} at most"


def models(found: scanning.FoundWorkload) -> str:
    """The incumbents with their shares of the calls they answered."""
    shown = [
        f"{safe(model)} {calls / found.by_incumbent:.0%}".replace("%", " %")
        for model, calls in list(found.models.items())[:6]
    ]
    return ", ".join(shown) + (f" and {len(found.models) - 6} more" if len(found.models) > 6 else "")


def percent(value: float | None) -> str:
    """A share, or unknown."""
    return UNKNOWN if value is None else f"{value:.1%}".replace("%", " %")
