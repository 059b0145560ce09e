"""Pilots on recorded outcomes, where the whole truth is known.

For closed and open models that answered the same items, the mean difference over all shared items is the truth. Pilots draw
items at random with replacement, look after every pair and stop by the default rule. A verdict is wrong when it was claimed
at any look and is not true. Then judges against people, on pairs that both have labelled.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import judging
import numpy as np
import pyarrow.parquet as pq
from streams import MARGIN_CLAIMS, claims_of, column, decided
from tables import first_claim

from fairlead.core.evidence import Claim, fixed_size
from fairlead.core.evidence.stakes import Terms
from fairlead.core.evidence.traffic import Traffic
from fairlead.core.evidence.window import Window

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "outcomes"
LEFT_OUT = ("agg_", "mteb", "mtbench_human_pairs", "pandalm_human")
FEWEST_ITEMS = 300
MOST_PAIRS = 40
N_MAX = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """A closed and an open model with their differences (open minus closed) on all shared items."""

    file: str
    closed: str
    open: str
    differences: np.ndarray
    scores: np.ndarray

    @property
    def margin(self) -> float:
        """Ten points on preferences, three on large benchmarks, five on small ones."""
        if self.file == "alpaca_eval":
            return 0.1
        return 0.03 if len(self.differences) >= 900 else 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the pilots of one contest ended."""

    contest: Contest
    pilots: int
    wrong: int
    decided: int
    median: float
    to_replace: float


def rows_of(name: str) -> tuple[str, dict[str, dict[str, float]], dict[str, bool]]:
    """The rater used, each model's score on each item (rounded to hundredths), and which models are open."""
    table = pq.read_table(DATA / f"{name}.parquet")
    wanted = [
        c
        for c in (
            "model",
            "agent",
            "item_id",
            "benchmark",
            "score",
            "open_weights",
            "rater",
            "rater_id",
            "baseline",
            "subset",
        )
        if c in table.column_names
    ]
    rows = [
        row for row in table.select(wanted).to_pylist() if row["score"] is not None and row.get("subset") != "error"
    ]
    raters = Counter((row.get("rater"), row.get("rater_id"), row.get("baseline")) for row in rows)
    rater = max(raters, key=lambda key: (raters[key], str(key)))
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    is_open: dict[str, bool] = {}
    for row in rows:
        if (row.get("rater"), row.get("rater_id"), row.get("baseline")) == rater and row["open_weights"] is not None:
            model = "@".join(str(row[part]) for part in ("model", "agent") if row.get(part))
            scores[model][f"{row['benchmark']}/{row['item_id']}"].append(float(row["score"]))
            is_open[model] = bool(row["open_weights"])
    means = {model: {item: round(float(np.mean(v)), 2) for item, v in items.items()} for model, items in scores.items()}
    return "/".join(str(part) for part in rater if part), means, is_open


def contests(name: str) -> tuple[str, list[Contest]]:
    """The rater's name and every closed-open pair of a file with enough shared items."""
    rater, scores, is_open = rows_of(name)
    found = []
    for closed in sorted(model for model, opened in is_open.items() if not opened):
        for opened in sorted(model for model, is_it in is_open.items() if is_it):
            shared = sorted(scores[closed].keys() & scores[opened].keys())
            if len(shared) >= FEWEST_ITEMS:
                known = np.array([scores[closed][item] for item in shared])
                differences = (np.array([scores[opened][item] for item in shared]) - known).round(2)
                found.append(Contest(file=name, closed=closed, open=opened, differences=differences, scores=known))
    return rater, found


def played(contest: Contest, pilots: int) -> tuple[Outcome, Outcome]:
    """Pilots with random draws of one contest, by the default engine and by constant bets."""
    rng = np.random.default_rng(zlib.crc32(f"{contest.file}/{contest.closed}/{contest.open}".encode()))
    drawn = contest.differences[rng.integers(0, len(contest.differences), (N_MAX, pilots))]
    constant = [claims_of(column.tolist(), contest.margin) for column in drawn.T]
    return (
        _outcome(contest, decided(drawn, Terms(margin=contest.margin))),
        _outcome(contest, {claim: column(constant, claim) for claim in MARGIN_CLAIMS}),
    )


def _outcome(contest: Contest, claims: dict[Claim, np.ndarray]) -> Outcome:
    theta = round(float(contest.differences.mean()), 9)
    false = {Claim.BETTER: theta <= 0, Claim.NOT_WORSE: theta <= -contest.margin, Claim.BEHIND: theta >= 0}
    wrong = np.logical_or.reduce([np.isfinite(claims[claim]) & is_false for claim, is_false in false.items()])
    ends = np.minimum(claims[Claim.NOT_WORSE], claims[Claim.WORSE])
    return Outcome(
        contest=contest,
        pilots=len(ends),
        wrong=int(wrong.sum()),
        decided=int(np.isfinite(ends).sum()),
        median=float(np.quantile(ends, 0.5, method="inverted_cdf")),
        to_replace=float(np.quantile(claims[Claim.NOT_WORSE], 0.5, method="inverted_cdf")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Median pairs to "not worse" over the fixed-size test, for each engine on one contest; infinite when undecided."""

    contest: Contest
    size: int
    ratios: dict[str, float]
    told: float


def raced(contest: Contest, size: int | None, pilots: int) -> Race:
    """Every engine on the same draws of one contest, its log as recorded or resampled to `size` requests."""
    rng = np.random.default_rng(zlib.crc32(f"race/{contest.closed}/{contest.open}/{size}".encode()))
    places = np.arange(len(contest.differences))
    if size is not None:
        places = rng.choice(places, size=size)
    x, y = contest.differences[places], contest.scores[places]
    theta, q = float(x.mean()), float((x**2).mean())
    fixed = fixed_size(theta, contest.margin, q)
    needed: dict[str, list[float]] = defaultdict(list)
    terms = Terms(margin=contest.margin)
    for _ in range(pilots):
        order = rng.permutation(len(x))
        drawn, known = x[order].tolist(), None if contest.file == "alpaca_eval" else y[order].tolist()
        again = x[rng.integers(0, len(x), N_MAX)].tolist()
        needed["default"].append(claims_of(again, contest.margin).get(Claim.NOT_WORSE, math.inf))
        needed["adaptive"].append(first_claim(Traffic(terms), again))
        if size is not None:
            needed["adaptive + scores"].append(first_claim(Traffic(terms, closed=known), drawn))
        needed["window + scores"].append(
            first_claim(Window(Terms.of_window(margin=contest.margin), size=len(x), closed=known), drawn)
        )
    ratios = {name: float(np.quantile(v, 0.5, method="inverted_cdf")) / fixed for name, v in needed.items()}
    return Race(contest=contest, size=len(x), ratios=ratios, told=_told(x, y, contest) / fixed)


def _told(x: np.ndarray, y: np.ndarray, contest: Contest) -> float:
    """Pairs of a fixed-size test at 2.5 % and 90 % power that knows the scores and that the log is finite."""
    guess = (
        np.polyval(np.polyfit(y, x, 1), y)
        if y.std() > 0 and contest.file != "alpaca_eval"
        else np.full(len(x), x.mean())
    )
    n = 10.507 * float(((x - guess) ** 2).mean()) / (float(x.mean()) + contest.margin) ** 2
    return 1 / (1 / n + 1 / len(x))


def races(*, pilots: int) -> None:
    """Print how many pairs each engine needs, as a share of the fixed-size test, on the closest recorded contests."""
    chosen = [contest for name in files() for contest in closest(contests(name)[1])]
    with ProcessPoolExecutor(2) as pool:
        for title, size in (("log as recorded", None), ("log resampled to 5000", 5000)):
            ended = [cell.result() for cell in [pool.submit(raced, contest, size, pilots) for contest in chosen]]
            print(
                f"\n{title}: {len(ended)} contests, {pilots} pilots each; median pairs to 'not worse' over the fixed-size test"
            )
            for name in ended[0].ratios:
                values = [race.ratios[name] for race in ended]
                print(f"  {name:<20} {np.quantile(values, 0.5, method='inverted_cdf'):.2f}")
            print(f"  {'fixed size, same knowledge of the window':<20} {np.median([race.told for race in ended]):.2f}")


def closest(found: list[Contest]) -> list[Contest]:
    """Up to five contests that can be proven and are nearest to equal, no two with the same open model."""
    able = [contest for contest in found if contest.differences.mean() > -contest.margin + 0.004]
    able.sort(key=lambda contest: abs(float(contest.differences.mean())))
    first: dict[str, Contest] = {}
    for contest in able:
        first.setdefault(contest.open, contest)
    return list(first.values())[:5]


def sampled(found: list[Contest], *, everything: bool) -> list[Contest]:
    if everything or len(found) <= MOST_PAIRS:
        return found
    chosen = np.random.default_rng(0).choice(len(found), size=MOST_PAIRS, replace=False)
    return [found[place] for place in sorted(chosen)]


def files() -> Iterator[str]:
    for path in sorted(DATA.glob("*.parquet")):
        if not path.stem.startswith(LEFT_OUT):
            yield path.stem


def tail(hits: int, n: int, chance: float) -> float:
    """Chance of at least so many hits among `n`."""
    return sum(math.comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(hits, n + 1))


def ratio(outcome: Outcome) -> float | None:
    """Median pairs to "not worse" over the fixed-size test, where the open model is better than minus the margin."""
    differences, margin = outcome.contest.differences, outcome.contest.margin
    theta = float(differences.mean())
    if theta <= -margin or not math.isfinite(outcome.to_replace):
        return None
    return outcome.to_replace / fixed_size(theta, margin, float((differences**2).mean()))


def run(*, everything: bool, pilots: int) -> None:
    """Print both parts."""
    if not DATA.is_dir():
        raise SystemExit(f"Recorded outcomes are not at {DATA}; put the shared data beside the repository.")
    outcomes: list[Outcome] = []
    constant: list[Outcome] = []
    with ProcessPoolExecutor(2) as pool:
        waiting = []
        for name in files():
            rater, found = contests(name)
            if found:
                chosen = sampled(found, everything=everything)
                waiting.append((name, rater, len(found), [pool.submit(played, c, pilots) for c in chosen]))
        header = f"{'file':<30}{'pairs':>12}  {'wrong':>6}  {'decided':>7}  {'median pairs':>12}  {'of fixed size':>13}  rater"
        print(header)
        for name, rater, total, cells in waiting:
            both = [cell.result() for cell in cells]
            ended = [default for default, _ in both]
            outcomes += ended
            constant += [other for _, other in both]
            print(line(name, ended, total) + f"  {rater}", flush=True)
    print(line("all", outcomes, None))
    print(line("all, constant bets", constant, None))
    verdict_on(outcomes)
    judging.run(runs=pilots)


def line(name: str, ended: list[Outcome], total: int | None) -> str:
    games = sum(outcome.pilots for outcome in ended)
    wrong, decided = (sum(getattr(outcome, field) for outcome in ended) / games for field in ("wrong", "decided"))
    median = float(np.quantile([outcome.median for outcome in ended], 0.5, method="inverted_cdf"))
    ratios = [value for value in map(ratio, ended) if value is not None]
    against = f"{np.median(ratios):.2f} ({len(ratios)})" if ratios else "-"
    count = str(len(ended)) if total is None else f"{len(ended)} of {total}"
    shown = f"{median:.0f}" if math.isfinite(median) else "> 5000"
    return f"{name:<30}{count:>12}  {wrong:>6.2%}  {decided:>7.1%}  {shown:>12}  {against:>13}"


def verdict_on(outcomes: list[Outcome]) -> None:
    """Whether any single contest errs more often than 5 %, allowing for how many were tried."""
    level = 0.05 / len(outcomes)
    guilty = [outcome for outcome in outcomes if tail(outcome.wrong, outcome.pilots, 0.05) < level]
    worst = max(outcomes, key=lambda outcome: outcome.wrong)
    print(f"contests above 5 % at level 0.05 / {len(outcomes)}: {len(guilty)}")
    print(
        f"worst: {worst.wrong} of {worst.pilots} wrong, {worst.contest.closed} to {worst.contest.open} ({worst.contest.file})"
    )
