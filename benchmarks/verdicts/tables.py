"""The tables of simulated verdicts. Every function here works out one row from its arguments and a seed."""

from __future__ import annotations

import math

import numpy as np
from rivals import asymptotic, peeked_z
from streams import adaptive, claims_of, column, decided, logged, ternary, watched

from fairlead.core.evidence import Claim, Evidence, Forecast, Histogram, Watch, e_bh, fixed_size
from fairlead.core.evidence.canary import Canary, Guard
from fairlead.core.evidence.human import Block, People, corrected
from fairlead.core.evidence.stakes import Terms
from fairlead.core.evidence.traffic import Traffic
from fairlead.core.evidence.window import Window

Row = dict[str, object]


def share(values: np.ndarray) -> str:
    return f"{np.isfinite(values).mean():.3f}"


def median(values: np.ndarray, level: float = 0.5) -> float:
    return float(np.quantile(values, level, method="inverted_cdf"))


def pairs(value: float) -> str:
    return "never" if not math.isfinite(value) else f"{value:.0f}"


def false_claims(q: float, margin: float, runs: int) -> Row:
    """ "Not worse by more than the margin", claimed at a true mean of minus the margin."""
    x = ternary(1, theta=-margin, q=q, pairs=5000, pilots=runs)
    ours = column(watched(x, margin), Claim.NOT_WORSE)
    even = adaptive(x, Terms(margin=margin, share=0.5), [Claim.NOT_WORSE])[Claim.NOT_WORSE]
    default = adaptive(x, Terms(margin=margin), [Claim.NOT_WORSE, Claim.WORSE])
    return {
        "q": q,
        "margin": margin,
        "constant bets (≤.025)": share(ours),
        "adaptive stakes (≤.025)": share(even),
        "default: adaptive, weighted (≤.0475)": share(default[Claim.NOT_WORSE]),
        "its 'worse by more' (≤.025)": share(default[Claim.WORSE]),
        "asymptotic CS": share(asymptotic(x, margin)),
        "z every pair": share(peeked_z(x, margin, every=1)),
        "z every 50": share(peeked_z(x, margin, every=50)),
    }


def rare_failures(q: float, runs: int) -> Row:
    """All pairs that differ are losses, and they are rare: the mean is minus the margin."""
    x = ternary(2, theta=-q, q=q, pairs=2000, pilots=runs)
    row: Row = {"q = margin": q}
    for start in (30, 50, 100, 200):
        row[f"asymptotic CS from {start}"] = share(asymptotic(x, q, start=start))
    row["constant bets"] = share(column(watched(x, q), Claim.NOT_WORSE))
    row["default"] = share(adaptive(x, Terms(margin=q), [Claim.NOT_WORSE])[Claim.NOT_WORSE])
    return row


def time_to_verdict(margin: float, q: float, theta: float, runs: int) -> Row:
    """Which verdict stands when the default stop rule ends the pilot, after how many pairs, and what constant bets need."""
    x = ternary(3, theta=theta, q=q, pairs=5000, pilots=runs)
    claims = decided(x, Terms(margin=margin))
    better, within, behind, worse = (
        np.isfinite(claims[claim]) for claim in (Claim.BETTER, Claim.NOT_WORSE, Claim.BEHIND, Claim.WORSE)
    )
    first = np.minimum.reduce([claims[claim] for claim in (Claim.BETTER, Claim.NOT_WORSE, Claim.BEHIND, Claim.WORSE)])
    ends = np.minimum(np.minimum(claims[Claim.NOT_WORSE], claims[Claim.WORSE]), 5000)
    constant = watched(x, margin)
    before = np.minimum.reduce(
        [column(constant, claim) for claim in (Claim.BETTER, Claim.NOT_WORSE, Claim.BEHIND, Claim.WORSE)]
    )
    false = (
        (better & (theta <= 0)) | (within & (theta <= -margin)) | (behind & (theta >= 0)) | (worse & (theta >= -margin))
    )
    return {
        "margin": margin,
        "q": q,
        "mean": theta,
        "open leads": f"{better.mean():.3f}",
        "equivalent": f"{(within & ~better).mean():.3f}",
        "closed leads": f"{((behind | worse) & ~within & ~better).mean():.3f}",
        "any false (≤.05)": f"{false.mean():.3f}",
        "first statement, median (q90)": f"{pairs(median(first))} ({pairs(median(first, 0.9))})",
        "constant bets": pairs(median(before)),
        "to stop, median (q90)": f"{median(ends):.0f} ({median(ends, 0.9):.0f})",
        "may replace": f"{within.mean():.3f} / {pairs(median(claims[Claim.NOT_WORSE]))}",
        "constant": pairs(median(column(constant, Claim.NOT_WORSE))),
        "fixed size": pairs(fixed_size(theta, margin, q)),
    }


def every_cell(margin: float, q: float, theta: float, runs: int) -> Row:
    """Median pairs to "not worse", the default against the constant bets of before, in one cell of the grid."""
    x = ternary(4, theta=theta, q=q, pairs=8000, pilots=runs)
    ours = median(column(watched(x, margin), Claim.NOT_WORSE))
    weighted = median(adaptive(x, Terms(margin=margin), [Claim.NOT_WORSE])[Claim.NOT_WORSE])
    ratio = weighted / ours if math.isfinite(ours) else math.nan
    size = fixed_size(theta, margin, q)
    return {
        "margin": margin,
        "q": q,
        "mean": theta,
        "fixed size": pairs(size),
        "constant bets": pairs(ours),
        "default": pairs(weighted),
        "ratio": "" if math.isnan(ratio) else f"{ratio:.2f}{' SLOWER' if ratio > 1.1 else ''}",
    }


def known_scores(margin: float, size: int, passed: float, theta: float, runs: int) -> Row:
    """Median pairs to "not worse" when the incumbent's scores of the whole log are on file; q = 0.2."""
    found: dict[str, list[float]] = {"constant": [], "adaptive": [], "adaptive + scores": [], "window + scores": []}
    used_up = 0
    for seed in range(runs):
        closed, differences = logged(seed, theta=theta, q=0.2, passed=passed, size=size)
        found["constant"].append(claims_of(differences, margin).get(Claim.NOT_WORSE, math.inf))
        terms = Terms(margin=margin)
        engines = (
            Traffic(terms),
            Traffic(terms, closed=closed),
            Window(Terms.of_window(margin=margin), size=size, closed=closed),
        )
        for name, engine in zip(list(found)[1:], engines, strict=True):
            found[name].append(first_claim(engine, differences))
        used_up += not math.isfinite(found["adaptive + scores"][-1]) and math.isfinite(found["adaptive"][-1])
    fixed = fixed_size(theta, margin, 0.2)
    row: Row = {"margin": margin, "log": size, "incumbent passes": passed, "mean": theta, "fixed size": pairs(fixed)}
    for name, values in found.items():
        value = median(np.array(values))
        row[name] = pairs(value) + (f" ({value / fixed:.2f})" if math.isfinite(value) else "")
    residual = 0.2 - theta**2 - _explained(theta, passed)
    row["fixed size, same knowledge"] = pairs(_fixed_with_scores(theta, margin, residual, size))
    row["log used up"] = used_up
    return row


def _explained(theta: float, passed: float) -> float:
    """Variance of the difference that the incumbent's score explains."""
    lost, won = (0.2 - theta) / 2 / passed, (0.2 + theta) / 2 / (1 - passed)
    return passed * (1 - passed) * (lost + won) ** 2


def _fixed_with_scores(theta: float, margin: float, residual: float, size: int) -> float:
    """The fixed-size test on a finite log, told the incumbent's scores: same residual, same finite correction."""
    n = 10.507 * residual / (theta + margin) ** 2
    return 1 / (1 / n + 1 / size)


def first_claim(engine: Traffic | Window, differences: list[float]) -> float:
    for difference in differences:
        if isinstance(engine, Traffic) and engine.room == 0:
            return math.inf
        engine.add(difference)
        if engine.decided:
            return engine.claims.get(Claim.NOT_WORSE, math.inf)
    return math.inf


def window_errors(theta: float, runs: int) -> Row:
    """False claims about a window of 600 requests whose mean is exactly at a boundary; margin 5 points, read to the end."""
    closed, base = logged(11, theta=theta, q=0.2, passed=0.8, size=600)
    mean = float(np.mean(base))
    margin = -mean if theta < 0 else 0.05
    counts = dict.fromkeys(("not worse", "open leads", "closed leads"), 0)
    differences = np.array(base)
    if theta == 0.0:
        for place in np.flatnonzero(differences == np.sign(mean))[: round(abs(mean) * 600)]:
            differences[place] = 0.0
    for seed in range(runs):
        order = np.random.default_rng(seed).permutation(600)
        window = Window(Terms.of_window(margin=margin), size=600, closed=closed[order])
        for difference in differences[order][:-1].tolist():
            window.add(difference)
        counts["not worse"] += theta < 0 and Claim.NOT_WORSE in window.claims
        counts["open leads"] += Claim.BETTER in window.claims
        counts["closed leads"] += theta == 0.0 and Claim.BEHIND in window.claims
    return {"mean": f"{differences.mean():+.4f}", "margin": f"{margin:.4f}"} | {
        name: f"{count / runs:.3f}" for name, count in counts.items()
    }


def cluster_errors(icc: float, tilt: float, runs: int) -> Row:
    """Requests in clusters of mean size 10, at most 32; margin 3 points; false claims at -3 points, and power at 0."""
    row: Row = {"ICC": icc, "big clusters worse": tilt < 0}
    for name, how in (("each request", "all"), ("one by size", "size"), ("one, uniform", "uniform")):
        false, power = (
            np.mean([_claims_within(_clustered(seed, icc, tilt, mean, how)) for seed in range(runs)])
            for mean in (-0.03, 0.0)
        )
        row[name] = f"{false:.3f} | {power:.2f}"
    return row


def _claims_within(differences: list[float]) -> bool:
    return Claim.NOT_WORSE in claims_of(differences, 0.03)


def _clustered(seed: int, icc: float, tilt: float, mean: float, how: str) -> list[float]:
    rng = np.random.default_rng(seed)
    sizes = np.minimum(rng.geometric(0.1, 4000), 32)
    weights = sizes / sizes.sum() if how == "size" else np.full(len(sizes), 1 / len(sizes))
    chosen = np.arange(len(sizes)) if how == "all" else rng.choice(len(sizes), size=5000, p=weights)
    worse = (sizes - (sizes**2).sum() / sizes.sum()) * tilt
    copies = sizes[chosen] if how == "all" else np.ones(len(chosen), dtype=int)
    which = np.repeat(chosen, copies)[:5000]
    theta = np.clip(mean + worse, -0.2, 0.2)
    own, shared = (_drawn(rng.random(size), theta[place]) for size, place in ((5000, which), (4000, slice(None))))
    return np.where(rng.random(5000) < math.sqrt(icc), shared[which], own).tolist()


def _drawn(draw: np.ndarray, theta: np.ndarray) -> np.ndarray:
    loss, win = (0.25 - theta) / 2, (0.25 + theta) / 2
    return np.where(draw < loss, -1.0, np.where(draw < loss + win, 1.0, 0.0))


def judge_bias(agreement: float, bias: float, runs: int) -> Row:
    """Coverage and mean width (points) of 95 % intervals for a true preference of 0: 200 people, 4800 judged pairs."""
    names = ("judge alone", "people alone", "PPI++")
    covered, widths = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    rho = []
    for seed in range(runs):
        human, judged = _opinions(seed, 5000, agreement, bias)
        rho.append(np.corrcoef(human, judged)[0, 1])
        people, seen, rest = human[:200].tolist(), judged[:200].tolist(), judged[200:].tolist()
        se = judged.std() / math.sqrt(5000)
        found = {
            "people alone": corrected(people, seen, rest, judge_weight=0.0),
            "PPI++": corrected(people, seen, rest),
        }
        ends = {"judge alone": (judged.mean() - 1.96 * se, judged.mean() + 1.96 * se)}
        ends |= {name: (value.low, value.high) for name, value in found.items()}
        for name, (low, high) in ends.items():
            covered[name] += low <= 0 <= high
            widths[name] += 100 * (high - low) / runs
    row: Row = {"agreement": agreement, "bias": bias, "correlation": f"{np.mean(rho):.2f}"}
    return row | {name: f"{covered[name] / runs:.3f} / {widths[name]:.1f}" for name in names}


def _opinions(seed: int, n: int, agreement: float, bias: float, theta: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    human = rng.choice([-1.0, 0.0, 1.0], size=n, p=[0.4 - theta / 2, 0.2, 0.4 + theta / 2])
    noise = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=n)
    judged = np.where(rng.random(n) < agreement, human, noise)
    return human, np.where(rng.random(n) < bias, -1.0, judged)


def labels_saved(agreement: float, runs: int) -> Row:
    """Human labels to prove "not worse by 10 points" while looking after each: false claims at -10, median at 0."""
    row: Row = {"agreement": agreement}
    for name, others in (("people alone", 0), ("blocks of 20", 19)):
        needed = [_labels(seed, agreement, 0.0, 1500, others) for seed in range(runs)]
        false = [_labels(seed, agreement, -0.1, 600, others) for seed in range(runs)]
        row[name] = f"{median(np.array(needed)):.0f} ({np.isfinite(false).mean():.3f})"
    return row


def _labels(seed: int, agreement: float, theta: float, limit: int, others: int) -> float:
    human, judged = (side.reshape(limit, 20) for side in _opinions(seed, 20 * limit, agreement, 0.1, theta))
    people = People(0.1)
    for votes, opinions in zip(human.tolist(), judged.tolist(), strict=True):
        people.add(Block(human=votes[0], judged=opinions[0], others=tuple(opinions[1 : 1 + others])))
        if Claim.NOT_WORSE in people.claims:
            return people.n
    return math.inf


def canary_delay(change: int, drop: float, runs: int) -> Row:
    """Median pairs from the change (q 0.2 to 0.3) to the alarm; tolerance 3 points, horizon 20 000, alpha 1 %."""
    guard = Guard.canary(tolerance=0.03, horizon=20_000)
    delays, early = [], 0
    for seed in range(runs):
        before = ternary(seed, theta=0.0, q=0.2, pairs=change, pilots=1)[:, 0].tolist()
        after = ternary(10_000 + seed, theta=drop, q=0.3, pairs=20_000 - change, pilots=1)[:, 0].tolist()
        canary = Canary(guard)
        alarm = next((canary.n for difference in before + after if canary.add(difference)), math.inf)
        early += alarm <= change
        delays.append(alarm - change)
    return {
        "change at": change,
        "mean after": drop,
        "median delay": pairs(median(np.array(delays))),
        "alarm before the change": f"{early / runs:.3f}",
    }


def canary_false(theta: float, runs: int) -> Row:
    """Share of canaries that ever raise a false alarm over their 20 000 pairs."""
    guard = Guard.canary(tolerance=0.03, horizon=20_000)
    alarms = 0
    for seed in range(runs):
        canary = Canary(guard)
        alarms += any(map(canary.add, ternary(seed, theta=theta, q=0.2, pairs=20_000, pilots=1)[:, 0].tolist()))
    return {"mean": theta, "false alarms (≤.01 plus error)": f"{alarms / runs:.3f}"}


def many_hypotheses(runs: int) -> Row:
    """60 pairs of workload and candidate, half of them exactly at the margin of 5 points, 1500 pairs each, looked at once."""
    rng = np.random.default_rng(5)
    truth = np.arange(60) < 30
    false_share, power, single, single_power = [], [], [], []
    for _ in range(runs):
        log_e = [_capital(rng, 0.0 if good else -0.05) for good in truth]
        listed, alone = np.array(e_bh(log_e)), np.array(log_e) >= math.log(40)
        false_share.append((listed & ~truth).sum() / max(listed.sum(), 1))
        power.append(listed[truth].mean())
        single.append((alone & ~truth).any())
        single_power.append(alone[truth].mean())
    return {
        "false share of the list (≤.05)": f"{np.mean(false_share):.4f}",
        "power": f"{np.mean(power):.3f}",
        "single verdicts: any false": f"{np.mean(single):.3f}",
        "power, single": f"{np.mean(single_power):.3f}",
    }


def _capital(rng: np.random.Generator, theta: float) -> float:
    losses, ties, wins = rng.multinomial(1500, [(0.2 - theta) / 2, 0.8, (0.2 + theta) / 2]).tolist()
    counts = Histogram.from_counts(wins=wins, ties=ties, losses=losses)
    return Evidence(margin=0.05, counts=counts).log_e(-0.05, 1)


def forecasts(engine: str, theta: float, start: int, runs: int) -> Row:
    """Share of pilots that needed no more pairs than forecast after `start` pairs; margin 5 points, q 0.2."""
    x = ternary(6, theta=theta, q=0.2, pairs=15_000, pilots=runs)
    within = {"median": 0, "p80": 0}
    counted = 0
    for differences in x.T.tolist():
        live = Watch(0.05) if engine == "constant" else Traffic(Terms(margin=0.05))
        told: Forecast | None = None
        for difference in differences:
            live.add(difference)
            if live.decided:
                break
            if live.n == start:
                told = live.expects(paths=200)
        if told is None:
            continue
        counted += 1
        for name, value in (("median", told.median), ("p80", told.p80)):
            within[name] += value is None or (live.decided and live.n - start <= value)
    return {"engine": engine, "mean": theta, "after": start, "pilots": counted} | {
        f"needed at most the {name}": f"{hits / max(counted, 1):.2f}" for name, hits in within.items()
    }
