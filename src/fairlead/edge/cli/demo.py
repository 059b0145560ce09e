"""`fairlead demo`: everything on a simulated organisation, offline, with verdict beside truth at the end."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from fairlead import __version__
from fairlead.core.errors import UsageError
from fairlead.core.nouns import Candidate, TokenPrice
from fairlead.demo.endpoint import Endpoints, endpoints
from fairlead.demo.organisation import NOW, generate
from fairlead.demo.simulated.model import OPEN_MODEL
from fairlead.demo.truth import TruthRow, compared, read_truth
from fairlead.edge.app import Desk, opened, piloting
from fairlead.edge.cli import options
from fairlead.edge.cli.report import write
from fairlead.edge.cli.run import whole
from fairlead.edge.cli.show import terminal
from fairlead.edge.cli.show import truth as show_truth
from fairlead.edge.report import render
from fairlead.pilot.result import signed

ORGANISATION = "Corvane Marine Supply (simulated)"
MARGIN = 0.05
TIMEOUT_S = 3.0
PRICE = TokenPrice(
    input=Decimal("0.10"),
    output=Decimal("0.40"),
    currency="USD",
    since="2026-11-01",
    source="made up for the demo",
)
MARK = "fairlead-demo.txt"
SIMULATED = "SIMULATED: the company, its traffic, both models and all prices of the open model are made up."


@click.command(name="demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fairlead-demo"),
    show_default=True,
    help="Where to write logs, ledger and report.",
)
@click.option("--fresh", is_flag=True, help="Begin anew instead of going on with what the folder holds.")
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed makes another month of traffic.")
@click.option(
    "--concurrency", type=click.IntRange(1), default=64, show_default=True, help="Requests on their way at once."
)
@options.as_json
def command(folder: Path, fresh: bool, seed: int, concurrency: int, as_json: bool) -> None:
    """Run scan, pilot and plan on a simulated organisation, offline, and print every verdict beside the truth.

    \b
    fairlead demo
    fairlead demo --folder /tmp/try --fresh

    It writes a month of logs of a made-up company, starts two simulated endpoints on this machine (a "closed" and an
    "open" model with documented true success rates), and then does what `fairlead run` does on your own logs. The truth
    is read after everything is decided, and only for the last table. Stopped, it goes on where it was.

    The record printed by --json: that of `fairlead run`, with "truth": [{workload_id, job, purity, recall, closed, open,
    difference, verdict, outcome}].
    """
    make_room(folder, fresh=fresh)
    if not as_json:
        terminal.say(SIMULATED)
        terminal.say()
    sample = sample_in(folder, seed=seed)
    with (
        serving(folder, seed=seed) as served,
        opened(ledger=str(folder / "fairlead.db"), config=None, now=NOW) as plain_desk,
    ):
        desk = replace(plain_desk, settings=replace(plain_desk.settings, organisation=ORGANISATION))
        order = order_at(served.open_url, folder / sample.labels, concurrency=concurrency)
        record = whole(
            desk, order, (str(folder / sample.logs),), currency=desk.settings.currency, output=folder / "report.html",
            yes=True, quiet=as_json, simulated=True,
        )  # fmt: skip
        rows = with_truth(desk, folder / sample.truth, record, folder / "report.html")
    if as_json:
        options.print_json({**record, "truth": rows})
    else:
        show_truth.truth(rows, names(record), margin=MARGIN)
        terminal.say()
        terminal.say(SIMULATED)
        terminal.say("The same on your own logs:  fairlead run LOGS --endpoint URL --model NAME --labels FILE")


def make_room(folder: Path, *, fresh: bool) -> None:
    """Make the demo's folder; refuse one that holds something else, and empty it when a fresh start is wanted."""
    mark = folder / MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise UsageError(f"{folder} holds files that are not the demo's; name another with --folder.")
    if fresh and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{SIMULATED}\nMade by `fairlead demo`; may be deleted.\n", encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where a sample organisation lies, and what wrote it."""

    version: str
    seed: int
    logs: str
    labels: str
    truth: str


def sample_in(folder: Path, *, seed: int) -> Written:
    """The sample of an earlier run, else a new one. What was deleted from it since, such as its truth, stays deleted."""
    noted = folder / "sample.json"
    try:
        before = msgspec.json.decode(noted.read_bytes(), type=Written)
    except (OSError, msgspec.DecodeError):
        before = None
    if before is not None and (before.version, before.seed) == (__version__, seed):
        return before
    made = generate(folder, seed=seed)
    names = {name: str(getattr(made, name).relative_to(folder)) for name in ("logs", "labels", "truth")}
    written = Written(version=__version__, seed=seed, **names)
    noted.write_bytes(msgspec.json.encode(written))
    return written


@contextmanager
def serving(folder: Path, *, seed: int) -> Generator[Endpoints]:
    """Both endpoints, at the addresses of an earlier run when they are free: an address is part of who a candidate is."""
    noted = folder / "ports.json"
    try:
        before = msgspec.json.decode(noted.read_bytes(), type=tuple[int, int])
    except (OSError, msgspec.DecodeError):
        before = (0, 0)
    ports = before if all(is_free(port) for port in before) else (0, 0)
    with endpoints(seed=seed, ports=ports) as served:
        noted.write_bytes(msgspec.json.encode((port_of(served.closed), port_of(served.open))))
        yield served


def port_of(url: str) -> int:
    """The port in an address."""
    return int(url.rpartition(":")[2])


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def order_at(url: str, labels: Path, *, concurrency: int) -> piloting.Order:
    """What the demo pilots: the open model on every workload with labels."""
    return piloting.Order(
        candidate=Candidate(endpoint=url, model=OPEN_MODEL, price=PRICE),
        labels=labels,
        margin=MARGIN,
        alpha=0.05,
        n_max=5000,
        seed=0,
        timeout_s=TIMEOUT_S,
        concurrency=concurrency,
    )


def with_truth(desk: Desk, path: Path, record: dict[str, Any], report: Path) -> list[TruthRow]:
    """The truth beside each verdict, also in the report; empty when the truth's file is gone."""
    truth = read_truth(path)
    if truth is None:
        return []
    verdicts = {row["workload"]["id"]: row["judgement"]["verdict"] for row in record["pilots"]}
    found = {row.id: row.workload_id for row in desk.ledger.rows() if row.workload_id is not None}
    rows = list(compared(truth, found, verdicts, margin=MARGIN))
    words = {row.workload_id: f"{signed(row.difference)} points" for row in rows if row.difference is not None}
    write(report, render(record["plan"], org=ORGANISATION, truth=words, version=__version__))
    return rows


def names(record: dict[str, Any]) -> dict[str, str]:
    """The name of each workload that was found, by id."""
    return {row["id"]: row["name"] for row in record["scan"]["workloads"]}
