"""The 72 recorded contests that the target of "fewer pairs" was measured on: 49 that can be proven, 23 that must not be.

The rule, found again from the figures that were published for each benchmark (number of contests, requests, median fixed size):
of each benchmark the models that answered at least 95 % of the items, on the items that all of them answered; an item's
first record counts. Contests nearest to equal come first; a closed model is in two at most, an open one in one. At most five
of a benchmark can be proven: less than 8 points better, more than the margin less 0.4 points, fixed size below 10,000. At
most two are at the margin or below it, down to 15 points. It gives every published count and median exactly.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from fairlead.core.evidence import Claim, fixed_size
from fairlead.core.evidence.stakes import Terms
from fairlead.core.evidence.traffic import Traffic
from fairlead.core.evidence.window import Window

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "outcomes"
COVERED = 0.95
AHEAD, BEHIND = 0.08, 0.15
CLEAR = 0.004
LONGEST = 10_000
N_MAX = 5000
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


BARS = {"2.5 %": 0.025, "4 %": 0.04, "4.75 %": 0.0475}
"""Error rates of "not worse" at which pairs are told: even, as the target was measured, and the default."""

WINDOW, PLAIN, SCORED = "window + scores", "traffic, no scores", "traffic + scores"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Pilots of one contest: for each engine, pairs to "not worse" at each of `BARS` over those of the fixed-size test.

    `told` is what a fixed-size test at 2.5 % needs that knows the scores and that the log is finite, over the same.
    """

    ratios: dict[str, np.ndarray]
    told: float

    def at(self, engine: str, level: float) -> np.ndarray:
        """The quantile over pilots, for each of `BARS`."""
        return np.quantile(self.ratios[engine], level, axis=0, method="inverted_cdf")


def run(*, pilots: int) -> None:
    """Print pairs to "not worse" on the contests that can be proven, and false claims on those that cannot."""
    if not DATA.is_dir():
        raise SystemExit(f"Recorded outcomes are not at {DATA}; put the shared data beside the repository.")
    contests = list(listed())
    with ProcessPoolExecutor(2) as pool:
        for title, size in (("logs as recorded", None), ("logs resampled to 5000", 5000)):
            able = [contest for contest in contests if contest.theta > -contest.margin]
            found = [cell.result() for cell in [pool.submit(raced, contest, size, pilots) for contest in able]]
            ended = [each for each in found if each is not None]
            print(
                f"\n{title}: {len(ended)} contests, {pilots} pilots each; pairs to 'not worse' over the fixed-size test"
            )
            print(f"  {'':<22}{'median, claimed at':<24}{'one in ten takes more':<26}over a fixed size at 4.75 %")
            print(f"  {'':<22}" + "".join(f"{name:>8}" for name in BARS) + f"{'2.5 %':>10}{'4.75 %':>8}{'4.75 %':>14}")
            fair = fixed_size(0, 0.03, 0.2, alpha=0.0475) / fixed_size(0, 0.03, 0.2)
            for engine in ended[0].ratios:
                half, most = (
                    np.quantile([each.at(engine, level) for each in ended], 0.5, axis=0, method="inverted_cdf")
                    for level in (0.5, 0.9)
                )
                told = "".join(f"{value:>8.2f}" for value in half) + f"{most[0]:>10.2f}{most[-1]:>8.2f}"
                print(f"  {engine:<22}{told}{half[-1] / fair:>14.2f}")
            same = float(np.median([each.told for each in ended]))
            print(f"  {'fixed size, told the same':<22}{same:>5.2f}{'':<34}{same:>14.2f}")
        behind = [contest for contest in contests if contest.theta <= -contest.margin]
        wrong = [cell.result() for cell in [pool.submit(misled, contest, pilots) for contest in behind]]
        window, traffic = np.mean(wrong, axis=0)
        print(
            f"\n{len(behind)} contests at the margin or worse, {pilots} pilots each: 'not worse' claimed in {window:.3f} of windows, "
            f"{traffic:.3f} of traffic (at most .0475)"
        )


def raced(contest: Listed, size: int | None, pilots: int) -> Ended | None:
    """Every engine on the same draws, the log as recorded or resampled once; `None` when that log is too near the margin."""
    rng = np.random.default_rng(zlib.crc32(f"listed/{contest.closed}/{contest.open}/{size}".encode()))
    places = np.arange(len(contest.differences)) if size is None else rng.choice(len(contest.differences), size=size)
    x = contest.differences[places]
    if x.mean() <= -contest.margin + CLEAR:
        return None
    fixed = fixed_size(float(x.mean()), contest.margin, float((x**2).mean()))
    known = None if contest.scores is None else contest.scores[places]
    found: dict[str, list[list[float]]] = {PLAIN: [], WINDOW: []} | ({} if size is None else {SCORED: []})
    for _ in range(pilots):
        order = rng.permutation(len(x))
        scores = None if known is None else known[order].tolist()
        segments = None if contest.segments is None else [contest.segments[place] for place in places[order]]
        again = x[rng.integers(0, len(x), N_MAX)].tolist()
        window = Window(Terms.of_window(margin=contest.margin), size=len(x), closed=scores, segments=segments)
        found[PLAIN].append(capitals(Traffic(Terms(margin=contest.margin)), again, never=math.inf))
        found[WINDOW].append(capitals(window, x[order].tolist(), never=len(x)))
        if size is not None:
            scored = Traffic(Terms(margin=contest.margin), closed=scores)
            found[SCORED].append(capitals(scored, x[order].tolist(), never=math.inf))
    return Ended(
        ratios={engine: np.array(pairs) / fixed for engine, pairs in found.items()},
        told=_told(x, known, contest) / fixed,
    )


def capitals(engine: Traffic | Window, differences: list[float], *, never: float) -> list[float]:
    """The pairs after which "not worse" can be claimed at each of `BARS`; `never` when it cannot."""
    bars = [-math.log(alpha) for alpha in BARS.values()]
    found: list[float] = [never] * len(bars)
    for difference in differences:
        if engine.room == 0:
            break
        engine.add(difference)
        # The default asks for the least capital, so the others need not be looked at before it claims.
        if Claim.NOT_WORSE in engine.claims:
            strength = engine.strength
            found = [min(n, engine.n) if strength >= bar - 1e-9 else n for n, bar in zip(found, bars, strict=True)]
            if strength >= bars[0]:
                break
    return found


def misled(contest: Listed, pilots: int) -> tuple[float, float]:
    """How often "not worse" is claimed of an open model at the margin or below it: of the window, of traffic."""
    rng = np.random.default_rng(zlib.crc32(f"misled/{contest.closed}/{contest.open}".encode()))
    x, wrong = contest.differences, np.zeros(2)
    for _ in range(pilots):
        order = rng.permutation(len(x))
        scores = None if contest.scores is None else contest.scores[order].tolist()
        terms = Terms.of_window(margin=contest.margin)
        window, traffic = Window(terms, size=len(x), closed=scores), Traffic(Terms(margin=contest.margin))
        for place, (engine, differences) in enumerate(
            ((window, x[order].tolist()), (traffic, x[rng.integers(0, len(x), N_MAX)].tolist()))
        ):
            for difference in differences:
                engine.add(difference)
                if Claim.NOT_WORSE in engine.claims or Claim.WORSE in engine.claims:
                    break
            wrong[place] += Claim.NOT_WORSE in engine.claims
    return float(wrong[0] / pilots), float(wrong[1] / pilots)


def _told(x: np.ndarray, scores: np.ndarray | None, contest: Listed) -> float:
    guess = (
        np.full(len(x), x.mean())
        if scores is None or scores.std() == 0
        else np.polyval(np.polyfit(scores, x, 1), scores)
    )
    n = (
        fixed_size(0, contest.margin, float(((x - guess) ** 2).mean()))
        * (contest.margin / (x.mean() + contest.margin)) ** 2
    )
    return 1 / (1 / n + 1 / len(x))
