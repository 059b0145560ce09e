"""`fairlead pilot`: ask an open model the same requests, grade both sides, decide."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
import msgspec

from fairlead.core.errors import PilotPaused, UsageError
from fairlead.core.grade import GRADERS, describe
from fairlead.core.money import parse_price
from fairlead.core.nouns import JSON, Asker, Candidate, Combine, Dialect, Drawing, Judge
from fairlead.edge.app import Desk, opened, piloting
from fairlead.edge.app.judges import Panel, rubric_file
from fairlead.edge.cli import options
from fairlead.edge.cli.show import pilot as show_pilot
from fairlead.edge.cli.show import terminal
from fairlead.edge.config import JudgingSettings, PilotSettings, Settings, share
from fairlead.pilot.result import PilotResult

GRADERS_HELP = "\n".join(f"  {name:<10} {describe(name)}" for name in GRADERS)


def candidate_flags(command: options.Command) -> options.Command:
    """The flags that say who the candidate is; `pilot` and `run` share them."""
    for flag in reversed(
        [
            click.option("--endpoint", metavar="URL", help="Base URL of an OpenAI-compatible endpoint, such as http://localhost:8000/v1."),
            click.option("--model", metavar="NAME", help="The model to ask for there."),
            click.option("--candidate", "candidate_name", metavar="NAME", help="A candidate of fairlead.toml, in place of --endpoint and --model."),
            click.option("--version", "model_version", metavar="TEXT", help="Version of the model, where the endpoint does not say."),
            click.option("--key-env", metavar="VARIABLE", help="Environment variable that holds the endpoint's key."),
            click.option("--set", "parameters", multiple=True, metavar="NAME=VALUE", help="Set a parameter on every request (value as JSON or text)."),
            click.option("--drop", multiple=True, metavar="NAME", help="Do not send this logged parameter."),
            click.option("--rename", multiple=True, metavar="OLD=NEW", help="Send a logged parameter under another name."),
            click.option("--prompt-prefix", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File with text to put before the system prompt."),
            click.option("--prompt", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File with a system prompt to use instead."),
            click.option("--thinking-budget", type=click.IntRange(0), metavar="TOKENS", help="How long the candidate may think."),
            click.option("--price", metavar="IN,OUT[,CACHED]", help="The candidate's price per million tokens, such as 0.10,0.40 or '0.08,0.30 GBP'."),
        ]
    ):  # fmt: skip
        command = flag(command)
    return command


def pilot_flags(command: options.Command) -> options.Command:
    """The flags that say how a pilot is run; `pilot` and `run` share them."""
    default, judging = PilotSettings(), JudgingSettings()
    for flag in reversed(
        [
            click.option("--labels", type=click.Path(path_type=Path, dir_okay=False), help="Expected answers: JSONL {id, expected[, grader]} or CSV id,expected[,grader]."),
            click.option("--grader", metavar="NAME", help="exact, number, choice, label, json, tool_call, agree, or FILE.py:FUNCTION."),
            click.option("--judge", "judges", multiple=True, metavar="NAME|MODEL@URL", help="A model that compares both answers: one of fairlead.toml, or MODEL@URL; several make a panel."),
            click.option("--judge-key-env", metavar="VARIABLE", help="Environment variable that holds the key of the judges given as MODEL@URL."),
            click.option("--judge-price", metavar="IN,OUT[,CACHED]", help="Price per million tokens of the judges given as MODEL@URL."),
            click.option("--combine", type=click.Choice([how.value for how in Combine]), help="How a panel becomes one preference (default mean)."),
            click.option("--rubric", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File with what counts, in your words, in place of ours."),
            click.option("--controls", type=click.IntRange(0), help="Pairs of two answers of one model that test a judge (default 200)."),
            click.option("--verbosity", type=click.IntRange(0), help="Pairs of a short and a long answer of one model that test a judge (default 50)."),
            click.option("--force-judge", is_flag=True, help="Let in a judge of a contestant's own family; the verdict says so."),
            click.option("--people", is_flag=True, help="Collect pairs for people (`fairlead review`), to the last one; without a grader they alone decide."),
            click.option("--margin", type=float, help=f"How much worse you would accept, as a share (default {default.margin}; {judging.margin} when judges or people compare)."),
            click.option("--alpha", type=float, help=f"Chance of any wrong statement, ever (default {default.alpha})."),
            click.option("--n-max", type=click.IntRange(1), help=f"Pairs at most (default {default.n_max:,})."),
            click.option("--seed", type=int, help=f"Which random order requests are drawn in (default {default.seed})."),
            click.option("--window", is_flag=True, help="Ask about exactly the logged rows, not traffic like them."),
            click.option("--segment", "segments", multiple=True, metavar="LABEL", help="Every value of this label has a floor of its own: language, model, prompt, tool, user, or a key of the log's metadata. May be repeated."),
            click.option("--floor", type=float, help="How much worse you would accept in any one segment, as a share (default 0.1, or the margin if that is more)."),
            click.option("--cluster", metavar="LABEL", help=f"Bet once for each of these: conversation, trajectory, user, a key of the metadata, or none (default {default.cluster})."),
            click.option("--weight", metavar="KEY", help="Draw in proportion to this number in the log's metadata (default: every request alike)."),
            click.option("--engine", type=click.Choice(["adaptive", "constant"]), default="adaptive", show_default=True, help="How pairs become evidence; constant bets need more pairs and are those of fairlead verdict."),
            click.option("--concurrency", type=click.IntRange(1), help=f"Requests on their way at once (default {default.concurrency})."),
            click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help=f"A slower answer is a failure (default {default.timeout_s:g})."),
            click.option("--budget", metavar="AMOUNT", help="Stop before spending more than this, in the price's currency; without a price: requests."),
            click.option("--reask", metavar="URL", help="Ask the incumbent again at this base URL instead of using its logged answers."),
            click.option("--reask-dialect", type=click.Choice(["openai", "anthropic"]), default="openai", help="The protocol spoken there."),
            click.option("--reask-model", metavar="NAME", help="The model to ask for there (default: the logged one)."),
            click.option("--reask-key-env", metavar="VARIABLE", help="Environment variable that holds that endpoint's key."),
            click.option("--stream", is_flag=True, help="Ask for streamed answers."),
            click.option("--yes", is_flag=True, help="Do not ask before traffic goes to a host for the first time."),
            click.option("--dry-run", is_flag=True, help="Say where traffic would go, how much, at what cost; ask nothing."),
        ]
    ):  # fmt: skip
        command = flag(command)
    return command


@click.command(name="pilot", epilog="\b\nGraders:\n" + GRADERS_HELP)
@click.argument("workloads", nargs=-1, metavar="[WORKLOAD]...")
@candidate_flags
@pilot_flags
@options.ledger
@options.config
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    /,
    workloads: tuple[str, ...],
    ledger: str | None,
    config: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Ask an open model the same requests, grade both sides, and stop when the margin is decided.

    \b
    fairlead pilot "Invoice fields" --endpoint http://localhost:8000/v1 --model qwen3-32b --labels labels.jsonl
    fairlead pilot --candidate qwen --labels labels.jsonl --dry-run

    WORKLOAD is the beginning of an id or name; without one, every workload with expected answers is piloted. Before
    anything is sent it says where the traffic goes, how much of it and at what cost, and asks once for a host that was
    never used before. Stop it whenever you like: the same command goes on where it was, and asks nothing twice. The
    verdict may be read after every pair; docs/verdicts.md says why.

    Exit code 0 when every workload piloted may move (replace_ok), 1 when one may not or is still open, 2 when something
    has to be put right first.

    \b
    The record printed by --json: {"pilots": [{workload, pilot_id, judgement: {verdict, low, high, n, mean, wins, ties,
    losses, replace_ok, by_more_than_margin, two_sided, …}, ended, words, message, incumbent: {…}, candidate: {latency_p50_s,
    latency_p95_s, input_tokens, output_tokens, failures, refusals, cost, …}, basis, design, spent, forecast, …}]}
    """
    with opened(ledger=ledger, config=config, create=False) as desk:
        order = order_of(desk.settings, workloads, flags)
        results = pilot(desk, order, dry_run=flags["dry_run"], yes=flags["yes"], quiet=as_json)
    if as_json:
        options.print_json({"pilots": results} if not flags["dry_run"] else {"would_run": results})
    if flags["dry_run"]:
        return
    ctx.exit(0 if all(row["judgement"]["replace_ok"] for row in results) else 1)


def order_of(settings: Settings, workloads: Sequence[str], flags: dict[str, Any]) -> piloting.Order:
    """The order that flags and settings make together; a flag beats the file."""
    defaults = settings.pilot
    if flags["people"] and flags["window"]:
        raise UsageError("--people asks about traffic like this, not about a window; leave out --window.")
    panel = panel_of(settings, flags)
    compares = panel is not None or (flags["people"] and flags["grader"] is None and flags["labels"] is None)
    usual = settings.judging.margin if compares else defaults.margin
    margin = flags["margin"] if flags["margin"] is not None else usual
    alpha = flags["alpha"] if flags["alpha"] is not None else defaults.alpha
    return piloting.Order(
        candidate=candidate_of(settings, flags),
        workloads=tuple(workloads),
        grader=flags["grader"],
        labels=flags["labels"],
        margin=share(margin, name="margin"),
        alpha=share(alpha, name="alpha"),
        n_max=flags["n_max"] or defaults.n_max,
        seed=flags["seed"] if flags["seed"] is not None else defaults.seed,
        timeout_s=flags["timeout"] or defaults.timeout_s,
        concurrency=flags["concurrency"] or defaults.concurrency,
        window=flags["window"],
        drawing=drawing_of(defaults, flags),
        constant=flags["engine"] == "constant",
        budget=money_flag(flags["budget"]),
        price=parse_price(flags["price"]) if flags["price"] else None,
        reask=reasked(flags),
        stream=flags["stream"],
        panel=panel,
        people=flags["people"],
    )


def panel_of(settings: Settings, flags: dict[str, Any]) -> Panel | None:
    """The judges that are meant, if any."""
    if not flags["judges"]:
        return None
    if flags["grader"] is not None:
        raise UsageError("--judge and --grader cannot both be used: a pilot has one way to grade.")
    judging = settings.judging
    own = flags["rubric"] or (Path(judging.rubric) if judging.rubric else None)
    found = {judge.id: judge for judge in (judge_called(settings, name, flags) for name in flags["judges"])}
    return Panel(
        judges=tuple(found.values()),
        combine=Combine(flags["combine"]) if flags["combine"] else judging.combine,
        rubric=rubric_file(own) if own is not None else None,
        forced=flags["force_judge"],
        controls=flags["controls"] if flags["controls"] is not None else judging.controls,
        verbosity=flags["verbosity"] if flags["verbosity"] is not None else judging.verbosity,
    )


def judge_called(settings: Settings, name: str, flags: dict[str, Any]) -> Judge:
    """A judge of fairlead.toml by its name, or `MODEL@URL`."""
    if name in settings.judges:
        return settings.judges[name]
    model, _, url = name.partition("@http")
    if not url or not model:
        known = ", ".join(settings.judges) or "none"
        raise UsageError(
            f"--judge {name!r} cannot be used; write MODEL@URL, such as mistral-large@https://api.mistral.ai/v1, or a name "
            f"from fairlead.toml, which has: {known}."
        )
    price = parse_price(flags["judge_price"]) if flags["judge_price"] else None
    return Judge(endpoint="http" + url, model=model, key_env=flags["judge_key_env"], price=price)


def drawing_of(defaults: PilotSettings, flags: dict[str, Any]) -> Drawing:
    """By what rule requests are drawn."""
    cluster = flags["cluster"] or defaults.cluster
    floor = flags["floor"] if flags["floor"] is not None else defaults.floor
    segments = tuple(dict.fromkeys(flags["segments"] or defaults.segments))
    if floor is not None and not segments:
        raise UsageError("A floor is that of segments; name a label with --segment, such as --segment language.")
    return Drawing(
        cluster=None if cluster == "none" else cluster,
        weight=flags["weight"],
        segments=segments,
        floor=None if floor is None else share(floor, name="floor"),
    )


def candidate_of(settings: Settings, flags: dict[str, Any]) -> Candidate:
    """The candidate that is meant, with the flags' settings on top."""
    base = named_candidate(settings, flags)
    return replace(
        base,
        version=flags["model_version"] or base.version,
        key_env=flags["key_env"] or base.key_env,
        parameters={**base.parameters, **dict(setting(text) for text in flags["parameters"])},
        drop=tuple(dict.fromkeys((*base.drop, *flags["drop"]))),
        rename={**base.rename, **dict(renaming(text) for text in flags["rename"])},
        prompt_prefix=text_of(flags["prompt_prefix"]) or base.prompt_prefix,
        prompt=text_of(flags["prompt"]) or base.prompt,
        thinking_budget=flags["thinking_budget"] if flags["thinking_budget"] is not None else base.thinking_budget,
    )


def named_candidate(settings: Settings, flags: dict[str, Any]) -> Candidate:
    """The candidate by name from the settings, or by endpoint and model from the flags."""
    if flags["candidate_name"]:
        found = settings.candidates.get(flags["candidate_name"])
        if found is None:
            known = ", ".join(settings.candidates) or "none"
            raise UsageError(f"fairlead.toml has no candidate {flags['candidate_name']!r}; it has: {known}.")
        return found
    if flags["endpoint"] and flags["model"]:
        return Candidate(endpoint=flags["endpoint"], model=flags["model"])
    if len(settings.candidates) == 1 and not flags["endpoint"] and not flags["model"]:
        return next(iter(settings.candidates.values()))
    raise UsageError("Name the candidate: --endpoint URL --model NAME, or --candidate NAME from fairlead.toml.")


def reasked(flags: dict[str, Any]) -> Asker | None:
    """Whom to ask instead of using the incumbent's logged answers."""
    if not flags["reask"]:
        return None
    dialect = Dialect.OPENAI_CHAT if flags["reask_dialect"] == "openai" else Dialect.ANTHROPIC_MESSAGES
    return Asker(endpoint=flags["reask"], dialect=dialect, model=flags["reask_model"], key_env=flags["reask_key_env"])


def setting(text: str) -> tuple[str, JSON]:
    """`NAME=VALUE` with the value as JSON where it is JSON, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--set {text!r} cannot be used; write NAME=VALUE, such as temperature=0.")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value


def renaming(text: str) -> tuple[str, str]:
    """`OLD=NEW`."""
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise UsageError(f"--rename {text!r} cannot be used; write OLD=NEW, such as max_completion_tokens=max_tokens.")
    return old, new


def text_of(path: Path | None) -> str | None:
    """The text of a prompt file."""
    return path.read_text(encoding="utf-8") if path is not None else None


def money_flag(text: str | None) -> Decimal | None:
    """A positive amount."""
    if text is None:
        return None
    try:
        amount = Decimal(text.replace(",", "").strip("$£€ "))
    except InvalidOperation as error:
        raise UsageError(f"--budget {text!r} cannot be used; give an amount such as 5.00.") from error
    if not amount.is_finite() or amount <= 0:
        raise UsageError(f"--budget {text!r} cannot be used; give an amount above zero, such as 5.00.")
    return amount


def pilot(desk: Desk, order: piloting.Order, *, dry_run: bool, yes: bool, quiet: bool) -> list[dict[str, Any]]:
    """Prepare, announce, ask for leave, run each pilot; returns their records."""
    prepared = piloting.prepare(desk, order)
    if not quiet:
        show_pilot.announce(order, prepared, left_out=left_out(desk, order, prepared))
    if dry_run:
        return [show_pilot.prepared_record(each) for each in prepared]
    approve(desk, order, yes=yes)
    piloting.declare(desk, prepared)
    return run_all(desk, order, prepared, quiet=quiet)


def left_out(desk: Desk, order: piloting.Order, prepared: Sequence[piloting.Prepared]) -> list[str]:
    """The workloads that nobody named and that cannot be graded, by name."""
    known = {each.workload.id for each in prepared}
    return [] if order.workloads else [w.name for w in desk.ledger.workloads() if w.id not in known]


def run_all(
    desk: Desk, order: piloting.Order, prepared: Sequence[piloting.Prepared], *, quiet: bool
) -> list[dict[str, Any]]:
    """Run each pilot to its end within one budget; a pause ends the command after what is done was shown."""
    remaining = order.budget
    results: list[PilotResult] = []
    for place, each in enumerate(prepared, start=1):
        if remaining is not None and remaining <= 0:
            raise PilotPaused(
                f"The budget of {order.budget} is used up; {len(prepared) - place + 1} pilots were not begun."
            )
        with show_pilot.pilot_progress(each, place=place, of=len(prepared), quiet=quiet) as tell:
            result = piloting.run(desk, order, each, on_progress=tell, remaining=remaining)
        remaining = left_of(remaining, result, priced=result.spent is not None)
        if not quiet:
            show_pilot.pilot_line(each, result)
            if len(prepared) == 1:
                show_pilot.pilot_result(result)
        results.append(result)
    results = for_the_list(desk, order, prepared, results, remaining=remaining, quiet=quiet)
    return [
        {"workload": {"id": each.workload.id, "name": each.workload.name}, **result.to_json()}
        for each, result in zip(prepared, results, strict=True)
    ]


def for_the_list(
    desk: Desk,
    order: piloting.Order,
    prepared: Sequence[piloting.Prepared],
    results: Sequence[PilotResult],
    *,
    remaining: Decimal | None,
    quiet: bool,
) -> list[PilotResult]:
    """Go on with what is proven alone until it also stands among all the questions that were asked; one pass.

    A pilot stops as soon as its own question is answered. The plan lists only what is strong enough for all of them
    together, which a few more pairs show; an e-value may be looked at and added to at any time.
    """
    found = list(results)
    proof = piloting.proof_for_the_list(len(list(desk.ledger.pilots())), found)
    short = [
        place
        for place, each in enumerate(found)
        if piloting.is_proven_alone(each) and each.judgement.log_e_replace < proof
    ]
    if len(prepared) < 2 or not short:
        return found
    if not quiet:
        terminal.say()
        terminal.say(
            "Proven alone, these go on a little, for they must also stand among all the questions that were asked:"
        )
    for count, place in enumerate(short, start=1):
        each, before = prepared[place], found[place]
        spent = (order.budget or Decimal(0)) - (
            left_of(order.budget, before, priced=before.spent is not None) or Decimal(0)
        )
        with show_pilot.pilot_progress(each, place=count, of=len(short), quiet=quiet) as tell:
            after = piloting.run(
                desk,
                order,
                each,
                on_progress=tell,
                proof=proof,
                remaining=None if remaining is None else remaining + spent,
            )
        found[place] = after
        if remaining is not None:
            remaining = left_of(remaining + spent, after, priced=after.spent is not None)
        if not quiet:
            show_pilot.pilot_line(each, after)
    return found


def left_of(remaining: Decimal | None, result: PilotResult, *, priced: bool) -> Decimal | None:
    """What is left of the budget after a pilot; requests are counted where there is no price."""
    if remaining is None:
        return None
    spent = result.spent.amount if priced and result.spent is not None else Decimal(result.requests)
    return piloting.less(remaining - spent, result.controls)


def approve(desk: Desk, order: piloting.Order, *, yes: bool) -> None:
    """Ask once before traffic goes to a host that was never used before."""
    for host in piloting.hosts(order):
        if host in desk.ledger.approved_hosts():
            continue
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(
                    f"Logged requests would go to {host}, which was never used before; pass --yes to allow it."
                )
            if not click.confirm(f"Logged requests will go to {host}, which was never used before. Go on?", err=True):
                raise click.Abort
        desk.ledger.approve_host(host)
