"""How far people agree beyond chance: Cohen, Fleiss, Krippendorff, by NLTK's `AnnotationTask`.

The library is an extra (`pip install 'fairlead[review]'`). Without it, and where there is too little to compare, a figure is
unknown.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fairlead.core.nouns import Choice, Preference

Ratings = Mapping[tuple[str, int], float]
"""Who said what of which pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far reviewers agree on the `pairs` that two or more of them answered; 1 is always, 0 what chance would do.

    `cohen` is the mean over all two reviewers who share pairs, `fleiss` over pairs that all of them answered, `krippendorff`
    over all. `alike` is the plain share. `installed` is whether the library is there.
    """

    pairs: int
    reviewers: int
    alike: float | None
    cohen: float | None
    fleiss: float | None
    krippendorff: float | None
    installed: bool = True


def agreement(said: Iterable[Preference]) -> Agreement:
    """How far the people who answered agree; those who could not tell are left out here."""
    ratings = {(each.reviewer, each.position): each.value for each in said if each.choice is not Choice.UNSURE}
    shared = _shared(ratings)
    reviewers = sorted({who for who, _ in shared})
    task = _library()
    known = task is not None and len(reviewers) >= 2
    return Agreement(
        pairs=len({pair for _, pair in shared}),
        reviewers=len(reviewers),
        alike=_alike(shared),
        cohen=_mean_cohen(task, shared, reviewers) if task is not None and known else None,
        fleiss=_fleiss(task, shared, reviewers) if task is not None and known else None,
        krippendorff=_figure(lambda: task(data=_rows(shared)).alpha()) if task is not None and known else None,
        installed=task is not None,
    )


def kappa(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Cohen's kappa of two raters over the same pairs, each leaning one way, the other, or neither."""
    task = _library()
    if task is None or not one:
        return None
    ratings = {
        (name, place): _lean(value) for name, side in (("a", one), ("b", other)) for place, value in enumerate(side)
    }
    return _figure(lambda: task(data=_rows(ratings)).kappa())


def _library() -> Callable[..., Any] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Callable[..., Any] = importlib.import_module("nltk.metrics.agreement").AnnotationTask
    except ImportError:
        return None
    return found


def _shared(ratings: Ratings) -> dict[tuple[str, int], float]:
    """The answers to pairs that more than one person answered."""
    counts: dict[int, int] = {}
    for _, pair in ratings:
        counts[pair] = counts.get(pair, 0) + 1
    return {key: value for key, value in ratings.items() if counts[key[1]] > 1}


def _rows(ratings: Ratings) -> list[tuple[str, str, str]]:
    return [(who, str(pair), f"{value:g}") for (who, pair), value in ratings.items()]


def _figure(compute: Callable[[], Any]) -> float | None:
    """A figure, unknown where it cannot be computed: everybody always says the same, or nothing is shared."""
    try:
        found = float(compute())
    except (ZeroDivisionError, ValueError, StopIteration, KeyError):
        return None
    return found if math.isfinite(found) else None


def _mean_cohen(task: Callable[..., Any], ratings: Ratings, reviewers: Sequence[str]) -> float | None:
    found: list[float] = []
    for place, one in enumerate(reviewers):
        for other in reviewers[place + 1 :]:
            both = {pair for who, pair in ratings if who == one} & {pair for who, pair in ratings if who == other}
            theirs = {key: value for key, value in ratings.items() if key[0] in {one, other} and key[1] in both}
            value = _figure(partial(_cohen, task, theirs)) if both else None
            found += [] if value is None else [value]
    return sum(found) / len(found) if found else None


def _cohen(task: Callable[..., Any], ratings: Ratings) -> Any:
    return task(data=_rows(ratings)).kappa()


def _fleiss(task: Callable[..., Any], ratings: Ratings, reviewers: Sequence[str]) -> float | None:
    """Fleiss' kappa needs the same number of answers everywhere: the pairs that all reviewers answered."""
    everybody = {pair for _, pair in ratings if sum((who, pair) in ratings for who in reviewers) == len(reviewers)}
    theirs = {key: value for key, value in ratings.items() if key[1] in everybody}
    return _figure(lambda: task(data=_rows(theirs)).pi()) if theirs else None


def _alike(ratings: Ratings) -> float | None:
    """In what share of all two answers to the same pair both say the same."""
    by_pair: dict[int, list[float]] = {}
    for (_, pair), value in ratings.items():
        by_pair.setdefault(pair, []).append(value)
    same = [
        one == other for values in by_pair.values() for place, one in enumerate(values) for other in values[place + 1 :]
    ]
    return sum(same) / len(same) if same else None


def _lean(value: float) -> float:
    return float((value > 0) - (value < 0))
