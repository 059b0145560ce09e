"""How often verdicts are wrong and how many pairs they need, by simulation and on recorded outcomes.

`python benchmarks/verdicts` prints the tables; `--recorded` replays recorded models instead, `--fewer` compares
the engines on them, `--listed` on the very contests that the target was measured on, `--judging` sets judges against people, `--quick` uses a tenth of the
runs, `--only NAME` prints one table. Seeds are fixed; two processes work.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import judging
import listed
import recorded
import tables

GRID = [
    (margin, q, theta)
    for margin in (0.02, 0.03, 0.05)
    for q in (0.05, 0.1, 0.2, 0.35, 0.5)
    for theta in (-0.02, -0.01, 0.0, 0.01, 0.02, 0.05)
    if -margin < theta <= q
]

TIMES = [
    *((0.03, 0.2, theta) for theta in (-0.1, -0.05, -0.02, 0.0, 0.02, 0.05)),
    (0.05, 0.2, 0.0),
    (0.05, 0.2, -0.02),
    (0.05, 0.35, 0.0),
    (0.03, 0.35, 0.0),
    (0.05, 0.1, 0.0),
]

LOGS = [
    (0.03, 1500, 0.8, 0.0),
    (0.03, 5000, 0.6, 0.0),
    (0.03, 5000, 0.8, 0.0),
    (0.03, 5000, 0.88, 0.0),
    (0.03, 20_000, 0.8, 0.0),
    (0.05, 5000, 0.8, 0.0),
    (0.05, 5000, 0.8, -0.01),
    (0.05, 5000, 0.8, 0.02),
]


class Table(NamedTuple):
    """One table: a row for each of `cells`, which are the arguments of `row` before the number of `runs`."""

    title: str
    row: Callable[..., tables.Row]
    runs: int
    cells: Sequence[tuple[object, ...]]


TABLES = {
    "false": Table(
        "False claims of 'not worse by more than the margin' at exactly that loss, looked at after every pair",
        tables.false_claims, 1000, [(0.08, 0.02), (0.08, 0.05), (0.2, 0.05), (0.4, 0.05)],
    ),
    "rare": Table(
        "Rare failures: every difference is a loss, and the mean loss is exactly the margin; false claims",
        tables.rare_failures, 1000, [(0.02,), (0.05,)],
    ),
    "time": Table("Verdict at the default stop (at most 5,000 pairs)", tables.time_to_verdict, 400, TIMES),
    "cells": Table(
        "Median pairs to 'not worse': the default against adaptive, weighted stakes, without a log",
        tables.every_cell, 200, GRID,
    ),
    "scores": Table(
        "Median pairs to 'not worse' with the incumbent's scores on file, q = 0.2 (ratio to the plain fixed-size test)",
        tables.known_scores, 40, LOGS,
    ),
    "window": Table(
        "False claims about exactly this window, its mean at a boundary (4.75 % / 2.5 % / 2.5 % allowed)",
        tables.window_errors, 300, [(-0.05,), (0.0,)],
    ),
    "clusters": Table(
        "Clusters: false claims | power, by how requests are drawn (margin 3 points, 5,000 pairs)",
        tables.cluster_errors, 200, [(0.0, 0.0), (0.2, 0.0), (0.2, -0.004), (0.6, 0.0)],
    ),
    "judges": Table(
        "A biased judge: coverage / width in points of the interval for what people prefer",
        tables.judge_bias, 1000, [(0.4, 0.2), (0.6, 0.15), (0.8, 0.1)],
    ),
    "labels": Table(
        "Median human labels to 'not worse by 10 points' (false claims at -10, 2.5 % allowed)",
        tables.labels_saved, 100, [(0.45,), (0.6,), (0.75,), (0.85,)],
    ),
    "canary": Table(
        "Canary: pairs from the change to the alarm",
        tables.canary_delay, 60, [(change, drop) for change in (0, 2000, 10_000) for drop in (-0.06, -0.1, -0.2)],
    ),
    "alarms": Table("Canary: false alarms over 20,000 pairs", tables.canary_false, 200, [(-0.03,), (0.0,)]),
    "many": Table("Many hypotheses: e-BH at 5 %", tables.many_hypotheses, 400, [()]),
    "forecast": Table(
        "Forecasts: how often a pilot needed at most what was forecast",
        tables.forecasts, 120,
        [(engine, theta, start) for engine in ("adaptive", "constant") for start in (100, 300) for theta in (0.0, -0.02, -0.08)],
    ),
}  # fmt: skip


def printed(rows: Iterable[tables.Row]) -> None:
    """Rows as a table, columns as wide as their longest value."""
    rows = list(rows)
    names = list(rows[0])
    lines = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
    for line in lines:
        print("  ".join(value.rjust(width) for value, width in zip(line, widths, strict=True)))


def simulated(*, scale: float, only: str | None) -> None:
    chosen = {name: table for name, table in TABLES.items() if only in (None, name)}
    with ProcessPoolExecutor(2) as pool:
        waiting = {
            name: [pool.submit(table.row, *cell, max(round(table.runs * scale), 4)) for cell in table.cells]
            for name, table in chosen.items()
        }
        for name, rows in waiting.items():
            print(f"\n{chosen[name].title}  [{name}]")
            printed([row.result() for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recorded", action="store_true", help="replay recorded models (needs ../shared/data)")
    parser.add_argument("--all", action="store_true", help="with --recorded: every pair instead of up to 40 a file")
    parser.add_argument(
        "--fewer", action="store_true", help="pairs each engine needs on recorded models (needs ../shared/data)"
    )
    parser.add_argument(
        "--listed", action="store_true", help="the same on the contests of the target figures (needs ../shared/data)"
    )
    parser.add_argument(
        "--judging", action="store_true", help="judges against people on recorded pairs (needs ../shared/data)"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--only", choices=list(TABLES), help="print this table alone")
    chosen = parser.parse_args()
    start = time.perf_counter()
    if chosen.recorded:
        recorded.run(everything=chosen.all, pilots=20 if chosen.quick else 200)
    elif chosen.judging:
        judging.run(runs=20 if chosen.quick else 200)
    elif chosen.listed:
        listed.run(pilots=4 if chosen.quick else 24)
    elif chosen.fewer:
        recorded.races(pilots=4 if chosen.quick else 15)
    else:
        simulated(scale=0.1 if chosen.quick else 1.0, only=chosen.only)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
