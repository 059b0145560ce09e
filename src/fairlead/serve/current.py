"""Routes as the data plane needs them: from what is kept (`routing.Route`) to what holds now (`snapshot.RouteNow`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.core.nouns import Candidate
from fairlead.serve.routing import Route
from fairlead.serve.snapshot import RouteNow, TargetNow, UpstreamNow

NO_UPSTREAM = "no upstream"
"""What stands in `only` where a workload is local only and no upstream is local: it is refused rather than sent."""


def target_of(candidate: Candidate, upstream: str) -> TargetNow:
    """Where a candidate answers and what changes in a request on the way there."""
    return TargetNow(
        upstream=upstream,
        model=candidate.model,
        candidate_id=candidate.id,
        parameters=dict(candidate.parameters),
        drop=tuple(candidate.drop),
        rename=dict(candidate.rename),
        prompt_prefix=candidate.prompt_prefix,
        prompt=candidate.prompt,
        thinking_budget=candidate.thinking_budget,
    )


def fallback_of(word: str) -> TargetNow:
    """A fallback as it is written: an upstream, or `UPSTREAM:MODEL` to ask there for another model.

    >>> fallback_of("spare:qwen3-32b").model
    'qwen3-32b'
    """
    upstream, _, model = word.partition(":")
    return TargetNow(upstream=upstream, model=model or None)


def route_now(route: Route, *, only: tuple[str, ...] = ()) -> RouteNow:
    """What the data plane acts on; `only` narrows what the route itself allows."""
    allowed = tuple(name for name in route.only if not only or name in only) or only or route.only
    if route.only and only and not set(route.only) & set(only):
        allowed = (NO_UPSTREAM,)
    return RouteNow(
        workload_id=route.workload_id,
        stage=route.stage,
        candidate=None if route.candidate is None else target_of(route.candidate, route.upstream),
        share=route.share,
        shadow_share=route.shadow_share,
        paired_share=route.paired_share,
        fallbacks=tuple(fallback_of(word) for word in route.fallbacks),
        only=allowed,
        disconnect=route.disconnect,
        inject_usage=route.inject_usage,
        repair=route.repair,
        salt=route.salt,
        hold=route.hold,
    )


def routes_now(routes: Iterable[Route], *, only: Mapping[str, tuple[str, ...]]) -> tuple[RouteNow, ...]:
    """All routes; a workload that is local only has one, whether anything was ever moved or not."""
    known = {route.workload_id: route for route in routes}
    names = [*known, *(name for name in only if name not in known)]
    return tuple(route_now(known.get(name) or Route(workload_id=name), only=only.get(name, ())) for name in names)


def upstreams_now(configured: Iterable[UpstreamNow], routes: Iterable[Route]) -> tuple[UpstreamNow, ...]:
    """The configured upstreams, and those that candidates brought along because no configured one is theirs."""
    found = {upstream.name: upstream for upstream in configured}
    for route in routes:
        candidate = route.candidate
        if candidate is not None and route.upstream and route.upstream not in found:
            found[route.upstream] = UpstreamNow(
                name=route.upstream, urls=(candidate.endpoint,), key_env=candidate.key_env
            )
    return tuple(found.values())
