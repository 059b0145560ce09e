"""`fairlead review`: people say which of two answers they prefer, without knowing whose they are."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path

import click

from fairlead.core.errors import UsageError
from fairlead.core.nouns import Choice
from fairlead.edge.app import Desk, opened, reviewing
from fairlead.edge.cli import options
from fairlead.edge.cli.show import review as show_review
from fairlead.edge.cli.show import terminal

QUIT = frozenset("qQ\x03\x04\x1b")
LONGEST_NAME = 60


@click.command(name="review")
@click.argument("workload", required=False)
@click.option(
    "--reviewer", metavar="NAME", help="Who answers (default: your name on this machine). Answers are kept under it."
)
@click.option("--pilot", metavar="ID", help="The pilot to review, where a workload has several.")
@click.option(
    "--export",
    "to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the pairs as CSV, for a spreadsheet, and ask nothing.",
)
@click.option(
    "--import",
    "from_",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take in the CSV, with 1, 2, same or ? in its last column.",
)
@click.option("--most", type=click.IntRange(1), metavar="N", help="Show so many pairs at most.")
@click.option("--status", is_flag=True, help="Say what people have said so far, and ask nothing.")
@options.ledger
@options.config
@options.as_json
def command(
    workload: str | None,
    reviewer: str | None,
    pilot: str | None,
    to: Path | None,
    from_: Path | None,
    most: int | None,
    status: bool,
    ledger: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Say which of two answers you prefer, without knowing whose they are.

    \b
    fairlead review "Customer replies"
    fairlead review --reviewer kim --export pairs.csv      then: --import pairs.csv
    fairlead review --status

    Keys: 1 the first answer, 2 the second, = no difference, ? cannot tell, q stop. Every answer is kept at once; the same
    command goes on with the next pair. Which pairs are shown is chosen at random, one of every block of judged pairs, or
    all where no judge helps; which answer stands first is chance, and models' names are taken out. Several people may
    answer (--reviewer); how far they agree is told. Answers count in the order of the draws, so nobody can pick the easy
    pairs, and may be looked at after each. docs/judges.md says more.

    \b
    The record printed by --json: {workload, pilot_id, candidate, judge, said, words, judgement: {verdict, low, high,
    n, …}, labels, unsure, reviewers, counted, waiting, by_rule, shown, judge_weight, with_judge, same_way, fixed,
    more_labels, agreement: {pairs, reviewers, alike, cohen, fleiss, krippendorff}, judge_kappa}; with --import also
    imported: {new, known, blank}, with --export also {exported, path}
    """
    if sum((to is not None, from_ is not None, status)) > 1:
        raise UsageError("--export, --import and --status are three different things; use one.")
    more: dict[str, object] = {}
    with opened(ledger=ledger, config=config, create=False) as desk:
        review = reviewing.review_of(desk, workload, pilot=pilot)
        name = reviewer_called(reviewer)
        if to is not None:
            more = {"exported": reviewing.export(desk, review, name, to, clean=show_review.harmless), "path": str(to)}
        elif from_ is not None:
            more = {"imported": options.plain(reviewing.import_answers(desk, review, name, from_))}
        elif not status and not as_json:
            ask(desk, review, name, most=most)
        reviewing.keep_verdict(desk, review)
        record = {**reviewing.record(desk, review), **more}
    if as_json:
        options.print_json(record)
    else:
        show_review.review_state(record)


def reviewer_called(given: str | None) -> str:
    """The name answers are kept under."""
    name = " ".join((given if given is not None else getpass.getuser()).split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(f"--reviewer {name[:80]!r} cannot be used; give a name of up to {LONGEST_NAME} letters.")
    return name


def ask(desk: Desk, review: reviewing.Review, reviewer: str, *, most: int | None) -> None:
    """Show pair after pair until there are no more, or the reviewer stops."""
    left = len(reviewing.waiting_for(review, reviewer))
    total = left if most is None else min(left, most)
    if not total:
        terminal.say(f"There is nothing for {reviewer} to look at; every pair that is shown to people has its answers.")
        return
    show_review.review_begins(review.workload.name, total, interactive=sys.stdin.isatty())
    for number, (place, item) in enumerate(reviewing.items(desk, review, reviewer), start=1):
        if number > total:
            break
        show_review.review_item(item, number=number, of=total)
        choice = answered(key_reader())
        if choice is None:
            terminal.say("Stopped. Every answer so far is kept; the same command goes on.")
            return
        reviewing.keep(desk, review, place, choice)


def answered(read: Callable[[], str]) -> Choice | None:
    """The next answer; `None` when the reviewer stops."""
    while True:
        key = read()
        if not key or key in QUIT:
            return None
        if key in set(Choice):
            return Choice(key)
        if key.strip():
            terminal.say("1 the first, 2 the second, = no difference, ? cannot tell, q stop")


def key_reader() -> Callable[[], str]:
    """Reads one key from a terminal, one character of a line from anything else."""
    if sys.stdin.isatty():
        return click.getchar
    return lambda: sys.stdin.read(1)
