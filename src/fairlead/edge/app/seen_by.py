"""Whether a judge may see a workload that only some upstreams may see: it must be at the address of one of them."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.nouns import Judge
from fairlead.edge.clients.address import address
from fairlead.serve.snapshot import UpstreamNow


def upstreams_at(judge: Judge, upstreams: Iterable[UpstreamNow]) -> list[UpstreamNow]:
    """The upstreams whose address is the judge's."""
    at = address(judge.endpoint).base_url
    return [each for each in upstreams if any(address(url).base_url == at for url in each.urls)]


def not_listed(judge: Judge, only: tuple[str, ...], there: Iterable[UpstreamNow]) -> str:
    """Why a judge may not see a workload that only some upstreams may see; nothing when it may."""
    if not only or any(each.name in only for each in there):
        return ""
    return (
        f"The judge {judge.model} at {address(judge.endpoint).host} is none of the upstreams that may see this workload:"
        f" {', '.join(only)}."
    )
