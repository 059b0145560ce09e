"""Simulated pairs, and the engines run over many pilots at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from fairlead.core.evidence import N_MIN, Claim, Watch
from fairlead.core.evidence.stakes import EFFECTS, Terms, growth
from fairlead.core.evidence.verdict import CLAIMS

BLOCK = 32
"""Pairs worked out together."""

MARGIN_CLAIMS = (Claim.BETTER, Claim.NOT_WORSE, Claim.BEHIND, Claim.WORSE)


def ternary(seed: int, *, theta: float, q: float, pairs: int, pilots: int) -> np.ndarray:
    """Differences of -1, 0 or 1 with mean `theta` and a share `q` that differ; one pilot a column."""
    draw = np.random.default_rng(seed).random((pairs, pilots))
    loss, win = (q - theta) / 2, (q + theta) / 2
    return np.where(draw < loss, -1.0, np.where(draw < loss + win, 1.0, 0.0))


def logged(seed: int, *, theta: float, q: float, passed: float, size: int) -> tuple[np.ndarray, list[float]]:
    """A log in its drawn order: the incumbent's scores, of which a share `passed` is 1, and the differences."""
    rng = np.random.default_rng(seed)
    closed = (rng.random(size) < passed) * 1.0
    kept = rng.random(size) >= (q - theta) / 2 / passed
    gained = rng.random(size) < (q + theta) / 2 / (1 - passed)
    return closed, (np.where(closed == 1, kept, gained) - closed).tolist()


def watched(x: np.ndarray, margin: float, *, stops: bool = True) -> list[dict[Claim, int]]:
    """What `Watch` proves and when, pilot by pilot; up to the margin's decision unless told otherwise."""
    return [claims_of(column, margin, stops=stops) for column in x.T.tolist()]


def claims_of(differences: Iterable[float], margin: float, *, stops: bool = True) -> dict[Claim, int]:
    """What `Watch` proves of one stream, and when."""
    watch = Watch(margin)
    for difference in differences:
        watch.add(difference)
        if stops and watch.decided:
            break
    return dict(watch.claims)


def column(claims: Sequence[dict[Claim, int]], claim: Claim) -> np.ndarray:
    """When each pilot proved a claim; infinite when it did not."""
    return np.array([pilot.get(claim, math.inf) for pilot in claims], dtype=float)


def adaptive(x: np.ndarray, terms: Terms, claims: Sequence[Claim] = MARGIN_CLAIMS) -> dict[Claim, np.ndarray]:
    """What variance-adaptive stakes prove and when, for all pilots at once, with the product's own `growth`."""
    pairs, pilots = x.shape
    n = np.arange(pairs)[:, None]
    sums = np.vstack([np.zeros((1, pilots)), np.cumsum(x, axis=0)[:-1]])
    centre = np.where(n >= 20, sums / np.maximum(n, 1), 0.0)
    squares = np.vstack([np.zeros((1, pilots)), np.cumsum((x - centre) ** 2, axis=0)[:-1]])
    spread = (5.0 + squares) / (20.0 + n)
    return {claim: _crossings(x, spread, terms, claim) for claim in claims}


def decided(x: np.ndarray, terms: Terms) -> dict[Claim, np.ndarray]:
    """What the default engine proves up to the pair at which the margin is decided, for all pilots at once."""
    first = adaptive(x, terms, (Claim.NOT_WORSE, Claim.WORSE))
    ends = np.minimum(np.minimum(first[Claim.NOT_WORSE], first[Claim.WORSE]), len(x))
    rest = adaptive(x[: int(ends.max())], terms, (Claim.BETTER, Claim.BEHIND))
    return {claim: np.where(when <= ends, when, math.inf) for claim, when in (first | rest).items()}


def _crossings(x: np.ndarray, spread: np.ndarray, terms: Terms, claim: Claim) -> np.ndarray:
    null = CLAIMS[claim]
    theta, bar = null.theta(terms.margin), terms.bar(null.theta(terms.margin), null.sign)
    found = np.full(x.shape[1], math.inf)
    live = np.arange(x.shape[1])
    logs = np.tile(terms.log_prior(null.sign), (len(live), 1))
    for start in range(0, len(x), BLOCK):
        z = x[start : start + BLOCK, live]
        ones = np.ones_like(z)
        steps = np.stack([z, -ones, ones, spread[start : start + BLOCK, live], ones, 0 * ones])[..., None]
        held = logs + np.cumsum(growth(terms.margin * EFFECTS, theta, float(null.sign), steps), axis=0)
        logs = held[-1]
        top = held.max(axis=2)
        if start + BLOCK < N_MIN or (top < bar - math.log(len(EFFECTS))).all():
            continue
        hit = top + np.log(np.exp(held - top[..., None]).sum(axis=2)) >= bar
        hit[: max(N_MIN - 1 - start, 0)] = False
        some = hit.any(axis=0)
        found[live[some]] = start + hit[:, some].argmax(axis=0) + 1
        live, logs = live[~some], logs[~some]
        if not len(live):
            break
    return found
