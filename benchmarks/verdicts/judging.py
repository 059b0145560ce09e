"""Judges against people, on recorded pairs that both have labelled: `python benchmarks/verdicts --judging`.

What people prefer over all pairs of a file is taken as the truth. Pairs are put into random blocks; one of each block is "shown to a
person" (its recorded human label is used), of the others only the judge's opinion is used. One rater per file.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from fairlead.core.evidence.human import Block, People, corrected

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "outcomes"
MARGIN = 0.1


class File(NamedTuple):
    """A file, the judge whose opinions are used, and into how many pairs blocks are put."""

    name: str
    judge: str
    blocks: tuple[int, ...]


FILES = (File("mtbench_human_pairs", "gpt-4", (3, 5)), File("pandalm_human", "gpt-3.5-turbo", (3, 5, 10)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """Mean preference for the open (or first named) model of each pair, -1..1, by people and by the judge."""

    human: np.ndarray
    judged: np.ndarray

    @property
    def truth(self) -> float:
        """What people prefer over all pairs."""
        return float(self.human.mean())

    @property
    def judge_alone(self) -> tuple[float, float]:
        """The judge's own 95 % interval."""
        se = self.judged.std(ddof=1) / math.sqrt(len(self.judged))
        return self.judged.mean() - 1.96 * se, self.judged.mean() + 1.96 * se


def run(*, runs: int) -> None:
    """Print a table for each file."""
    for file in FILES:
        both = labelled(file.name, file.judge)
        gap = both.judged - both.human
        error = gap.std(ddof=1) / math.sqrt(len(gap))
        low, high = both.judge_alone
        covers = "covers" if low <= both.truth <= high else "misses"
        rho = float(np.corrcoef(both.human, both.judged)[0, 1])
        print(f"\n{file.name}: {len(both.human)} pairs with both labels; judge {file.judge}, correlation {rho:.2f}")
        print(
            f"  people {100 * both.truth:+.1f}, judge {100 * both.judged.mean():+.1f} points of net preference; "
            f"the judge is off by {100 * gap.mean():+.1f} ± {100 * error:.1f} ({50 * gap.mean():+.1f} of win rate)"
        )
        print(f"  judge alone: {100 * low:+.1f} to {100 * high:+.1f}, {covers} what people prefer")
        print(
            f"  {'block':>5}  {'labels':>6}  {'reading':<24}  {'covers':>6}  {'width':>6}  {'width saved':>11}  {'labels saved':>12}"
        )
        for size in file.blocks:
            table(both, size=size, runs=runs)


def table(both: Both, *, size: int, runs: int) -> None:
    """Coverage and width over random blocks, with the judge's help and without."""
    ends: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for seed in range(runs):
        for name, interval in readings(both, size=size, seed=seed).items():
            ends[name].append(interval)
    widths = {name: float(np.mean([high - low for low, high in found])) for name, found in ends.items()}
    for name, alone in (
        ("block-PPI, any time", "people alone, any time"),
        ("people alone, any time", None),
        ("PPI++, number fixed", "people alone, fixed"),
        ("people alone, fixed", None),
    ):
        covers = np.mean([low <= both.truth <= high for low, high in ends[name]])
        saved = "" if alone is None else f"{1 - widths[name] / widths[alone]:.0%}"
        labels = "" if alone is None else f"{1 - (widths[name] / widths[alone]) ** 2:.0%}"
        count = len(both.human) // size
        print(
            f"  {size:>5}  {count:>6}  {name:<24}  {covers:>6.3f}  {100 * widths[name]:>6.1f}  {saved:>11}  {labels:>12}"
        )


def readings(both: Both, *, size: int, seed: int) -> dict[str, tuple[float, float]]:
    """The intervals of one random arrangement."""
    count = len(both.human) // size
    order = np.random.default_rng(seed).permutation(len(both.human))[: count * size].reshape(count, size)
    helped, alone = People(MARGIN), People(MARGIN)
    for block in order:
        human, judged = float(both.human[block[0]]), float(both.judged[block[0]])
        helped.add(Block(human=human, judged=judged, others=tuple(both.judged[block[1:]].tolist())))
        alone.add(Block(human=human, judged=0.0, others=()))
    columns = both.human[order[:, 0]], both.judged[order[:, 0]], both.judged[order[:, 1:]].ravel()
    people, seen, others = (column.tolist() for column in columns)
    found = {
        "block-PPI, any time": helped.interval(),
        "people alone, any time": alone.interval(),
        "PPI++, number fixed": corrected(people, seen, others),
        "people alone, fixed": corrected(people, seen, others, judge_weight=0.0),
    }
    return {name: (each.low, each.high) for name, each in found.items()}


def labelled(name: str, judge: str) -> Both:
    """The pairs of a file that people and the judge both labelled; of MT-Bench those of an open and a closed model."""
    votes: dict[tuple[str, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows = pq.read_table(DATA / f"{name}.parquet").to_pylist()
    is_open = {row["model"]: bool(row["open_weights"]) for row in rows}
    for row in rows:
        one, other = row["model"], row["baseline"]
        key, turned = ((row["item_id"], one, other), 1.0) if one < other else ((row["item_id"], other, one), -1.0)
        if name == "mtbench_human_pairs":
            if is_open.get(one, False) == is_open.get(other, False):
                continue
            turned *= 1.0 if is_open[key[1]] else -1.0
        votes[key][row["rater"]].append(turned * (2 * row["score"] - 1))
    both = [found for found in votes.values() if found.get("human") and found.get(judge)]
    human, judged = (np.array([float(np.mean(found[who])) for found in both]) for who in ("human", judge))
    return Both(human=human, judged=judged)
