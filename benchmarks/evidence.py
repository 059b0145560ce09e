"""How fast evidence is: pairs taken in per second, an interval from a million pairs, a forecast.

Run `python benchmarks/evidence.py`. Ratios are measured side by side in one run, best of several rounds, against
(a) the recursion over 32 stakes for each hypothesis and pair, written with NumPy and with plain lists, and (b) a plain
bisection of the same histogram.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable

import numpy as np

from fairlead.core.evidence import Canary, Evidence, Guard, Histogram, Stretch, Watch, forecast
from fairlead.core.evidence.bets import STAKES, log_prior
from fairlead.core.evidence.stakes import Terms
from fairlead.core.evidence.traffic import Traffic
from fairlead.core.evidence.verdict import CLAIMS
from fairlead.core.evidence.window import Window

MARGIN = 0.03


def best(run: Callable[[], object], *, rounds: int = 3) -> float:
    """Seconds of processor time of the quickest round: a busy machine does not change it much."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def stream(n: int, *, theta: float = -0.01, q: float = 0.2) -> list[float]:
    chances = [(q - theta) / 2, 1 - q, (q + theta) / 2]
    return np.random.default_rng(0).choice([-1.0, 0.0, 1.0], size=n, p=chances).tolist()


def watched(pairs: list[float]) -> Watch:
    watch = Watch(MARGIN)
    for difference in pairs:
        watch.add(difference)
    return watch


def numpy_recursion(pairs: list[float]) -> dict[str, int]:
    """First crossings, with one NumPy update of the 32 capitals for each hypothesis and pair."""
    first: dict[str, int] = {}
    state = []
    for claim, null in CLAIMS.items():
        theta = null.theta(MARGIN)
        state.append(
            [claim.name, theta, null.sign, STAKES / (1 + null.sign * theta), np.exp(log_prior(MARGIN, 0.25)), 0.0]
        )
    for n, difference in enumerate(pairs, 1):
        for held in state:
            name, theta, sign, stakes, capital, scale = held
            capital *= 1 + stakes * (sign * (difference - theta))
            total = float(capital.sum())
            if not 1e-100 < total < 1e100:
                capital /= total
                held[5] = scale = scale + math.log(total)
                total = 1.0
            if scale + math.log(total) >= math.log(40):
                first.setdefault(name, n)
    return first


def list_recursion(pairs: list[float]) -> dict[str, int]:
    """First crossings, with the factors of each distinct difference kept and the capitals in plain lists."""
    first: dict[str, int] = {}
    for claim, null in CLAIMS.items():
        theta = null.theta(MARGIN)
        stakes = (STAKES / (1 + null.sign * theta)).tolist()
        factors = {v: [1 + s * null.sign * (v - theta) for s in stakes] for v in set(pairs)}
        capital, scale = np.exp(log_prior(MARGIN, 0.25)).tolist(), 0.0
        for n, difference in enumerate(pairs, 1):
            capital = [c * f for c, f in zip(capital, factors[difference], strict=True)]
            total = sum(capital)
            if not 1e-100 < total < 1e100:
                capital = [c / total for c in capital]
                scale += math.log(total)
                total = 1.0
            if scale + math.log(total) >= math.log(40):
                first.setdefault(claim.name, n)
    return first


def bisected(evidence: Evidence) -> tuple[float, float]:
    """The interval by plain bisection from the ends, to the same width."""
    ends = []
    for sign in (1, -1):
        out, inside = -sign * (1 - 1e-9), evidence.counts.mean or 0.0
        while abs(out - inside) > 1e-7:
            middle = (out + inside) / 2
            out, inside = (middle, inside) if evidence.log_e(middle, sign) >= math.log(40) else (out, middle)
        ends.append(out)
    return ends[0], ends[1]


def updates() -> dict[str, float]:
    short, long = stream(20_000), stream(1_000_000)
    ours = {claim.name: n for claim, n in watched(short).claims.items()}
    assert ours == numpy_recursion(short) == list_recursion(short), "all three must prove the same at the same pair"
    watch, arrays, lists = (best(lambda f=f: f(short)) / len(short) for f in (watched, numpy_recursion, list_recursion))
    return {
        "pairs_per_second": round(1 / watch),
        "times_faster_than_numpy_recursion": round(arrays / watch, 1),
        "times_faster_than_list_recursion": round(lists / watch, 1),
        "seconds_for_a_million_pairs": round(best(lambda: watched(long), rounds=1), 2),
    }


def ordered() -> dict[str, float]:
    """What a pair costs with variance-adaptive stakes, and an observation of a canary; ratios to the plain watch."""
    pairs = stream(5_000, theta=-0.03)
    scores = [1.0 if difference <= 0 else 0.0 for difference in pairs]

    def fed(evidence: Traffic | Window) -> None:
        for difference in pairs:
            evidence.add(difference)

    def canary() -> None:
        guarded = Canary(Guard.permanent(tolerance=0.5, pairs_per_year=1e9))
        for difference in pairs:
            guarded.add(difference)

    def collected() -> None:
        stretch = Stretch(Guard.canary(tolerance=0.03, horizon=20_000))
        for difference in pairs:
            stretch.add(difference)

    terms = Terms(margin=MARGIN)
    runs = {
        "adaptive_us_a_pair": lambda: fed(Traffic(terms)),
        "window_us_a_pair": lambda: fed(Window(terms, size=len(pairs), closed=scores)),
        "canary_us_an_observation": canary,
        "stretch_us_an_observation": collected,
    }
    return {name: round(1e6 * best(run) / len(pairs), 2) for name, run in runs.items()}


def intervals() -> dict[str, float]:
    values = np.arange(-100, 101)
    shares = np.exp(-0.5 * ((values + 1) / 30) ** 2)
    drawn = np.random.default_rng(0).multinomial(1_000_000, shares / shares.sum())
    graded = Evidence(margin=MARGIN, counts=Histogram(counts=dict(zip(values.tolist(), drawn.tolist(), strict=True))))
    whole = Evidence(margin=MARGIN, counts=Histogram.from_counts(wins=95_000, ties=800_000, losses=105_000))
    ours, plain = best(graded.interval, rounds=9), best(lambda: bisected(graded), rounds=9)
    return {
        "interval_ms_201_values": round(1e3 * ours, 2),
        "interval_ms_3_values": round(1e3 * best(whole.interval, rounds=9), 2),
        "times_faster_than_bisection": round(plain / ours, 1),
        "forecast_ms": round(1e3 * best(lambda: forecast(Evidence(margin=0.05).after(stream(300)))), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON record")
    as_json = parser.parse_args().json
    figures = updates() | intervals() | ordered()
    if as_json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name.replace('_', ' '):<40} {figure:>12,}")


if __name__ == "__main__":
    main()
