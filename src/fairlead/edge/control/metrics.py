"""The overview and the sums since the start as Prometheus reads them (text exposition format 0.0.4).

Written by hand, for most of it is counted in other processes and arrives as sums: a registry of our own would only be one
more place to keep them. Labels hold ids and names that settings gave, never content; there are as many as there are workloads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fairlead.edge.control.overview import Overview, Planes
from fairlead.edge.store.rollups import BOUNDS_S, Slot, Tally
from fairlead.serve.frames import LATENCY_BOUNDS_S, Breaker

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_BREAKERS = {Breaker.CLOSED.value: 0, Breaker.HALF_OPEN.value: 1, Breaker.OPEN.value: 2}

Labels = Mapping[str, str]


@dataclass(slots=True)
class _Page:
    lines: list[str] = field(default_factory=list[str])

    def head(self, name: str, kind: str, says: str) -> None:
        self.lines += (f"# HELP {name} {says}", f"# TYPE {name} {kind}")

    def value(self, name: str, value: float, labels: Labels | None = None) -> None:
        shown = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in (labels or {}).items())
        self.lines.append(f"{name}{{{shown}}} {value:.12g}" if shown else f"{name} {value:.12g}")

    def one(self, name: str, kind: str, says: str, value: float) -> None:
        self.head(name, kind, says)
        self.value(name, value)

    def histogram(
        self, name: str, counts: Sequence[int], bounds: Sequence[float], total: float, labels: Labels
    ) -> None:
        so_far = 0
        for place, bound in enumerate(bounds):
            so_far += counts[place] if place < len(counts) else 0
            self.value(f"{name}_bucket", so_far, {**labels, "le": f"{bound:g}"})
        self.value(f"{name}_bucket", sum(counts), {**labels, "le": "+Inf"})
        self.value(f"{name}_sum", total, labels)
        self.value(f"{name}_count", sum(counts), labels)


def page(shown: Overview, *, planes: Planes, sums: Iterable[tuple[Slot, Tally]], kept: int, writes: int) -> str:
    """The page of metrics; `sums` are those since this process started, by hour and so on."""
    page = _Page()
    _state(page, shown, kept=kept, writes=writes)
    _traffic(page, sums)
    _added(page, planes)
    _upstreams(page, shown)
    return "\n".join([*page.lines, ""])


def _state(page: _Page, shown: Overview, *, kept: int, writes: int) -> None:
    page.one("fairlead_ready", "gauge", "Whether calls are kept: 1 when the ledger can be written.", shown.ready)
    page.one(
        "fairlead_data_planes",
        "gauge",
        "Data plane processes that were heard of in the last ten seconds.",
        shown.planes,
    )
    page.one("fairlead_requests_in_flight", "gauge", "Requests that are being answered.", shown.in_flight)
    page.one("fairlead_streams_in_flight", "gauge", "Answers that are being streamed.", shown.streams)
    page.one("fairlead_connections", "gauge", "Open connections of callers.", shown.connections)
    page.one("fairlead_calls_held", "gauge", "Calls that wait to be written to the ledger.", shown.held)
    page.one("fairlead_calls_kept_total", "counter", "Calls written to the ledger.", kept)
    page.one("fairlead_ledger_writes_total", "counter", "Batches written to the ledger.", writes)
    dropped = shown.dropped
    page.head("fairlead_calls_dropped_total", "counter", "Calls that were answered and are missing from the record.")
    for where, count in (
        ("data_plane", dropped.by_planes),
        ("control", dropped.by_control),
        ("damaged", dropped.damaged),
    ):
        page.value("fairlead_calls_dropped_total", count, {"where": where})
    page.one("fairlead_calls_unreadable_total", "counter", "Calls counted but not kept, for their body is no request.", dropped.unreadable)  # fmt: skip
    page.one("fairlead_shadow_missed_total", "counter", "Calls that shadows and guards were too slow to look at.", dropped.missed_by_steps)  # fmt: skip
    page.head("fairlead_refused_total", "counter", "Requests that the gateway refused, by reason.")
    for reason, count in sorted(shown.refused.items()):
        page.value("fairlead_refused_total", count, {"reason": reason})
    page.head("fairlead_shadow_coverage", "gauge", "Share of the shadows that were asked that were answered.")
    for row in shown.workloads:
        if row.coverage is not None:
            page.value("fairlead_shadow_coverage", row.coverage, {"workload": row.id})


def _traffic(page: _Page, sums: Iterable[tuple[Slot, Tally]]) -> None:
    whole: dict[tuple[str, str, str], Tally] = {}
    for slot, tally in sums:
        whole.setdefault((slot.workload_id, slot.model, slot.served), Tally()).add(tally)
    by = [({"workload": w, "model": m, "served": s}, tally) for (w, m, s), tally in sorted(whole.items())]
    for name, says in (
        ("calls", "Calls that were answered, refused or given up."),
        ("errors", "Calls that got no usable answer."),
        ("closed", "Calls that the caller left."),
        ("unmetered", "Calls whose answer told no usage."),
        ("unpriced", "Calls whose cost is not known."),
    ):
        page.head(f"fairlead_{name}_total", "counter", says)
        for labels, tally in by:
            page.value(f"fairlead_{name}_total", getattr(tally, name), labels)
    page.head("fairlead_tokens_total", "counter", "Tokens, by kind.")
    for labels, tally in by:
        for kind in ("fresh", "cache_read", "cache_write", "visible", "reasoning"):
            page.value("fairlead_tokens_total", getattr(tally, kind), {**labels, "kind": kind})
    page.head("fairlead_cost_usd_total", "counter", "What calls with a known price have cost.")
    for labels, tally in by:
        page.value("fairlead_cost_usd_total", float(tally.usd), labels)
    page.head("fairlead_saved_usd_total", "counter", "How much more the incumbent would have cost for the same tokens.")
    for labels, tally in by:
        page.value("fairlead_saved_usd_total", float(tally.saved_usd), labels)
    page.head("fairlead_latency_seconds", "histogram", "From a request to the end of its answer.")
    for labels, tally in by:
        page.histogram("fairlead_latency_seconds", tally.latency, BOUNDS_S, tally.latency_us / 1e6, labels)


def _added(page: _Page, planes: Planes) -> None:
    name = "fairlead_added_latency_seconds"
    page.head(name, "histogram", "What the gateway added to a request, upstream's time aside.")
    for each in planes.all():
        page.histogram(name, each.added, LATENCY_BOUNDS_S, each.added_s, {"process": str(each.process)})


def _upstreams(page: _Page, shown: Overview) -> None:
    page.head("fairlead_upstream_breaker", "gauge", "0 closed (asked as usual), 1 half open, 2 open (not asked).")
    for row in shown.upstreams:
        page.value("fairlead_upstream_breaker", _BREAKERS[row.breaker], {"upstream": row.name, "url": row.url})
    page.head("fairlead_upstream_in_flight", "gauge", "Requests on their way to an upstream.")
    for row in shown.upstreams:
        page.value("fairlead_upstream_in_flight", row.in_flight, {"upstream": row.name, "url": row.url})
    for name, says in (
        ("requests", "Requests sent to an upstream."),
        ("failures", "Requests that an upstream failed."),
    ):
        page.head(f"fairlead_upstream_{name}_total", "counter", says)
        for row in shown.upstreams:
            page.value(f"fairlead_upstream_{name}_total", getattr(row, name), {"upstream": row.name, "url": row.url})
