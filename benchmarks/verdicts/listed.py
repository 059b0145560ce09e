"""The 72 recorded contests that the target of "fewer pairs" was measured on: 49 that can be proven, 23 that must not be.

The rule, found again from the figures that were published for each benchmark (number of contests, requests, median fixed size):
of each benchmark the models that answered at least 95 % of the items, on the items that all of them answered; an item's
first record counts. Contests nearest to equal come first; a closed model is in two at most, an open one in one. At most five
of a benchmark can be proven: less than 8 points better, more than the margin less 0.4 points, fixed size below 10,000. At
most two are at the margin or below it, down to 15 points. It gives every published count and median exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from fairlead.core.evidence import fixed_size

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "outcomes"
COVERED = 0.95
AHEAD, BEHIND = 0.08, 0.15
CLEAR = 0.004
LONGEST = 10_000
JUDGED_AGAINST = "gpt4_1106_preview"


class Benchmark(NamedTuple):
    """A benchmark in a file, the column that its segments are in, and the median fixed size published for its contests."""

    file: str
    name: str
    segments: str | None
    fixed: int | None
    contests: int


BENCHMARKS = (
    Benchmark("bfcl_v1", "bfcl-v1-2024-08", "subset", 2907, 5),
    Benchmark("lcb_execution", "livecodebench-execution", None, 2814, 5),
    Benchmark("zeroeval_gsm", "ZeroEval-gsm", None, 1256, 5),
    Benchmark("multimodal", "BLINK-val", "subject", 5554, 3),
    Benchmark("language_confusion", "LanguageConfusion-LPR", "language", 463, 2),
    Benchmark("multimodal", "MathVista-testmini", "category", 1726, 3),
    Benchmark("zeroeval_math_l5", "ZeroEval-math-l5", None, 1023, 5),
    Benchmark("swebench_verified_bash_only", "swebench-verified-bash-only", "cluster_id", 924, 5),
    Benchmark("lcb_codegen_v1", "livecodebench-codegen-v1", "subset", 509, 5),
    Benchmark("lcb_selfrepair_v4", "livecodebench-selfrepair-v4", "subset", 382, 4),
    Benchmark("speechmap_criticism", "SpeechMap-criticism", "language", 243, 5),
    Benchmark("alpaca_eval", "AlpacaEval", None, 683, 2),
    Benchmark("xstest", "XSTest-v2", None, None, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A contest of the list: differences (open minus closed), the closed model's scores where it has any, and segments."""

    benchmark: Benchmark
    closed: str
    open: str
    margin: float
    differences: np.ndarray
    scores: np.ndarray | None
    segments: tuple[str, ...] | None

    @property
    def theta(self) -> float:
        """The mean difference over all items."""
        return float(self.differences.mean())

    @property
    def fixed(self) -> float:
        """Pairs of the fixed-size test at 2.5 % and 90 % power, at the truth; infinite at the margin and below."""
        return fixed_size(self.theta, self.margin, float((self.differences**2).mean()))


def listed() -> Iterator[Listed]:
    """The contests of every benchmark, those that can be proven first."""
    for benchmark in BENCHMARKS:
        able, unable = [], []
        for contest in _contests(benchmark):
            if contest.theta <= -contest.margin:
                unable.append(contest)
            elif contest.theta > -contest.margin + CLEAR and contest.theta <= AHEAD and contest.fixed < LONGEST:
                able.append(contest)
        yield from _nearest(able, most=5)
        yield from _nearest([each for each in unable if each.theta >= -BEHIND], most=2)


def _contests(benchmark: Benchmark) -> list[Listed]:
    answers, is_open, segment_of = _answers(benchmark)
    items = {item for scores in answers.values() for item in scores}
    models = sorted(model for model, scores in answers.items() if len(scores) >= COVERED * len(items))
    shared = sorted(set.intersection(*(set(answers[model]) for model in models)))
    segments = tuple(segment_of[item] for item in shared) if benchmark.segments else None
    columns = {model: np.array([answers[model][item] for item in shared]) for model in models}
    small = len(shared) < 900 or benchmark.name.startswith("MathVista")
    judged = benchmark.file == "alpaca_eval"
    found = []
    for closed in [JUDGED_AGAINST] if judged else [model for model in models if not is_open[model]]:
        for opened in [model for model in models if is_open[model]]:
            differences = 2 * columns[opened] - 1 if judged else columns[opened] - columns[closed]
            found.append(
                Listed(
                    benchmark=benchmark,
                    closed=closed,
                    open=opened,
                    margin=0.1 if judged else 0.05 if small else 0.03,
                    differences=differences.round(2),
                    scores=None if judged else columns[closed].round(2),
                    segments=segments,
                )
            )
    return found


def _answers(benchmark: Benchmark) -> tuple[dict[str, dict[str, float]], dict[str, bool], Mapping[str, str]]:
    """Each model's first score on each item, which models are open, and the items' segments."""
    answers: dict[str, dict[str, float]] = {}
    is_open: dict[str, bool] = {}
    segment_of: dict[str, str] = {}
    needed = {"benchmark", "baseline", "model", "open_weights", "item_id", "score", benchmark.segments}
    path = DATA / f"{benchmark.file}.parquet"
    for row in pq.read_table(path, columns=[name for name in pq.read_schema(path).names if name in needed]).to_pylist():
        if row["benchmark"] != benchmark.name or row["score"] is None or row["open_weights"] is None:
            continue
        if benchmark.file == "alpaca_eval" and row["baseline"] != JUDGED_AGAINST:
            continue
        answers.setdefault(row["model"], {}).setdefault(row["item_id"], float(row["score"]))
        is_open[row["model"]] = bool(row["open_weights"])
        segment_of.setdefault(row["item_id"], str(row.get(benchmark.segments or "")))
    return answers, is_open, segment_of


def _nearest(contests: list[Listed], *, most: int) -> list[Listed]:
    """The contests nearest to equal, no closed model in more than two and no open one in more than one."""
    closed: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    chosen: list[Listed] = []
    for contest in sorted(contests, key=lambda each: abs(each.theta)):
        if closed[contest.closed] < 2 and not opened[contest.open] and len(chosen) < most:
            chosen.append(contest)
            closed[contest.closed] += 1
            opened[contest.open] += 1
    return chosen
