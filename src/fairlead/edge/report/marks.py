"""SVG marks of the report: each figure is a function from numbers to a string, with its meaning in words beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup

from fairlead.core.moves import Step
from fairlead.core.telling import signed

_WIDEST = 0.30
_NARROWEST = 0.08


def reach(ends: Iterable[float]) -> float:
    """How far from zero a shared scale should go to show these ends, between 8 and 30 points."""
    return min(_WIDEST, max(_NARROWEST, 1.08 * max((abs(end) for end in ends), default=0.0)))


def interval(low: float, mean: float, high: float, *, margin: float, reach: float) -> Markup:
    """One table cell: the interval, its point, zero, and the margin agreed to."""
    x = _scale(-reach, reach, 4, 176)
    label = f"{signed(mean)} points, interval {signed(low)} to {signed(high)}, margin {signed(-margin)}"
    return Markup(
        '<svg class="interval" viewBox="0 0 180 22" role="img" aria-label="{label}"><title>{label}</title>'
        '<line class="zero" x1="{z:.1f}" x2="{z:.1f}" y1="2" y2="20"/>'
        '<line class="margin" x1="{m:.1f}" x2="{m:.1f}" y1="2" y2="20"/>'
        '<line class="range" x1="{l:.1f}" x2="{h:.1f}" y1="11" y2="11"/>{ends}'
        '<circle class="point" cx="{c:.1f}" cy="11" r="3.6"/></svg>'
    ).format(
        label=label,
        z=x(0),
        m=x(max(-margin, -reach)),
        l=x(max(low, -reach)),
        h=x(min(high, reach)),
        c=x(min(max(mean, -reach), reach)),
        ends=_ends(left=low < -reach, right=high > reach),
    )


def _ends(*, left: bool, right: bool) -> Markup:
    """Arrow heads where the interval goes on beyond the scale."""
    arrows = Markup('<path class="range" d="M9 7 4 11l5 4"/>') if left else Markup("")
    return arrows + (Markup('<path class="range" d="m171 7 5 4-5 4"/>') if right else Markup(""))


_WIDTH, _HEIGHT = 640, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 20, 26, 30


def evidence(steps: Sequence[Step], *, margin: float, decided_at: int | None, name: str) -> Markup:
    """How the interval closed as pairs arrived, and where the margin was decided."""
    last = steps[-1]
    top = reach([last.low, last.high, 2.2 * margin])
    x = _scale(0, last.n, _LEFT, _WIDTH - _RIGHT)
    y = _scale(-top, top, _HEIGHT - _BOTTOM, _TOP)

    def at(step: Step, value: float) -> str:
        return f"{x(step.n):.1f},{y(min(top, max(-top, value))):.1f}"

    band = " ".join([at(step, step.high) for step in steps] + [at(step, step.low) for step in reversed(steps)])
    label = (
        f"{name}: difference in points over {last.n:,} pairs; "
        f"now {signed(last.mean)} points, interval {signed(last.low)} to {signed(last.high)}"
    )
    return Markup(
        '<svg class="evidence" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{across}{along}'
        '<polygon class="band" points="{band}"/><polyline class="mean" points="{line}"/>'
        '<line class="margin" x1="{a}" x2="{b}" y1="{m:.1f}" y2="{m:.1f}"/>'
        '<text class="note" x="{b}" y="{my:.1f}" text-anchor="end">margin {margin}</text>{decided}</svg>'
    ).format(
        w=_WIDTH,
        h=_HEIGHT,
        label=label,
        across=_across(top, y),
        along=_along(last.n, x),
        band=band,
        line=" ".join(at(step, step.mean) for step in steps),
        a=_LEFT,
        b=_WIDTH - _RIGHT,
        m=y(max(-margin, -top)),
        my=y(max(-margin, -top)) + 14,
        margin=signed(-margin),
        decided=_decided(decided_at, x),
    )


def _across(top: float, y: Callable[[float], float]) -> Markup:
    """Lines of equal difference, with their values."""
    step = nice(top / 2)
    levels = [level * step for level in range(-int(top / step), int(top / step) + 1)]
    line = Markup(
        '<line class="{kind}" x1="{a}" x2="{b}" y1="{y:.1f}" y2="{y:.1f}"/>'
        '<text class="tick" x="{t}" y="{ty:.1f}" text-anchor="end">{v}</text>'
    )
    return Markup("").join(
        line.format(
            kind="grid zero" if level == 0 else "grid",
            a=_LEFT,
            b=_WIDTH - _RIGHT,
            y=y(level),
            t=_LEFT - 6,
            ty=y(level) + 4,
            v="0" if level == 0 else signed(level).removesuffix(".0"),
        )
        for level in levels
    )


def _along(last: int, x: Callable[[float], float]) -> Markup:
    """Counts of pairs below the chart."""
    step = max(1, int(nice(last / 5)))
    places = range(0, last + 1, step)
    tick = Markup('<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{n}</text>')
    return Markup("").join(tick.format(x=x(place), y=_HEIGHT - 10, n=f"{place:,}") for place in places)


def _decided(decided_at: int | None, x: Callable[[float], float]) -> Markup:
    if decided_at is None:
        return Markup("")
    place = x(decided_at)
    near_end = place > _WIDTH * 0.72
    return Markup(
        '<line class="decided" x1="{x:.1f}" x2="{x:.1f}" y1="{t}" y2="{b}"/>'
        '<text class="note" x="{tx:.1f}" y="{ty}" text-anchor="{anchor}">decided at pair {n}</text>'
    ).format(
        x=place,
        t=_TOP - 14,
        b=_HEIGHT - _BOTTOM,
        tx=place - 6 if near_end else place + 6,
        ty=_TOP - 6,
        anchor="end" if near_end else "start",
        n=f"{decided_at:,}",
    )


def nice(step: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (5, 2, 1) if factor * power <= step * 1.000001)


def _scale(d0: float, d1: float, r0: float, r1: float) -> Callable[[float], float]:
    return lambda value: r0 + (value - d0) * (r1 - r0) / (d1 - d0)
