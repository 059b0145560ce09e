"""How soon a regression is caught, and how rarely nothing is: the guards of a route, simulated pair by pair.

    python benchmarks/guards.py            the tables of docs/routes.md
    python benchmarks/guards.py --runs 50  quicker and rougher

Pairs are worse, equal or better (-1, 0, 1); a candidate that is as good as the incumbent differs on one request in five and
wins half of those. A drop of 20 points makes the mean -0.20 from some pair on.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Iterator

from fairlead.serve.guard import Collected, Guards, Terms, of_call, of_pair
from fairlead.serve.snapshot import Stage

CANARY = Terms(stage=Stage.CANARY)
MOVED = Terms(stage=Stage.MOVED, pairs_per_year=20_000, calls_per_pair=20)


def pairs(chance: random.Random, *, mean: float, differ: float) -> Iterator[float]:
    weights = [(differ - mean) / 2, 1 - differ, (differ + mean) / 2]
    while True:
        yield from chance.choices([-1.0, 0.0, 1.0], weights, k=500)


def caught(terms: Terms, *, drop: float, after: int, most: int, seed: int, step: int = 1) -> int | None:
    """Pairs from the drop to the alarm; `None` when it was not raised within `most`, -1 when before the drop."""
    chance = random.Random(seed)
    good, bad = pairs(chance, mean=0.0, differ=0.2), pairs(chance, mean=-drop, differ=max(0.3, drop + 0.05))
    guards, collected = Guards(terms), Collected(terms)
    for number in range(after + most):
        difference = next(good) if number < after else next(bad)
        collected.add(of_pair(difference=difference, candidate_refused=False, incumbent_refused=False))
        if number % step == 0:
            guards.lay(collected.take())
            if guards.crossed:
                return number + 1 - after if number >= after else -1
    return None


def errors_seen(terms: Terms, *, rate: float, most: int, seed: int) -> int | None:
    """Calls from the moment that calls fail at a rate to the alarm."""
    chance = random.Random(seed)
    guards, collected = Guards(terms), Collected(terms)
    for number in range(most):
        collected.add(of_call(failed=chance.random() < rate, latency_s=1.0, slow_s=60.0, schema_broken=None))
        guards.lay(collected.take())
        if guards.crossed:
            return number + 1
    return None


def told(found: list[int | None]) -> str:
    late = sum(each is None for each in found)
    early = sum(each == -1 for each in found)
    delays = sorted(each for each in found if each is not None and each > 0)
    if not delays:
        return f"{'-':>8} {'-':>8} {late / len(found):>8.0%} {early / len(found):>7.1%}"
    high = delays[min(len(delays) - 1, int(0.9 * len(delays)))]
    return f"{statistics.median(delays):>8.0f} {high:>8} {late / len(found):>8.0%} {early / len(found):>7.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    print(f"{'quality guard, graded pairs after a drop':<52} {'median':>8} {'90 %':>8} {'missed':>8} {'before':>7}")
    for name, terms, after, most in [
        ("canary of 500, from the first pair", CANARY, 0, 500),
        ("canary of 500, from the 250th pair", CANARY, 250, 250),
        ("moved, 20,000 a year, after 1,000 good pairs", MOVED, 1_000, 4_000),
        ("moved, 2,000 a year, after 1,000 good pairs", Terms(stage=Stage.MOVED, pairs_per_year=2_000), 1_000, 4_000),
    ]:
        for drop in (0.06, 0.10, 0.20, 0.40):
            few = max(20, runs // 4) if drop == 0.06 else runs
            found = [caught(terms, drop=drop, after=after, most=most, seed=seed) for seed in range(few)]
            print(f"{name + f', {100 * drop:.0f} points':<52} {told(found)}")
    print(
        f"\n{'errors guard, calls after calls begin to fail':<52} {'median':>8} {'90 %':>8} {'missed':>8} {'before':>7}"
    )
    for name, terms in [("canary", CANARY), ("moved", MOVED)]:
        for rate in (0.05, 0.2, 1.0):
            found = [errors_seen(terms, rate=rate, most=3_000, seed=seed) for seed in range(runs)]
            print(f"{name + f', {rate:.0%} of the calls':<52} {told(found)}")
    print("\nfalse alarms of the quality guard, mean difference at the tolerance (-3 points):")
    crossed = [caught(CANARY, drop=0.03, after=0, most=500, seed=seed, step=10) for seed in range(runs)]
    bound = CANARY.alpha * 0.5
    print(f"  canary: {sum(each is not None for each in crossed)} of {runs} (at most {bound:.1%} expected)")


if __name__ == "__main__":
    main()
