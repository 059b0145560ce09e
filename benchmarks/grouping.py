"""How well, how stably and how fast requests are grouped: `python benchmarks/grouping.py [--size 20000]`.

Prints V-measure over templates that were looked at while tuning, over templates kept aside, and over both mixed; how far
a scan of a quarter agrees with the whole scan; microseconds per exchange, beside parsing the same requests' JSON; and
memory when every prompt is different.
"""

# The generator of traffic lives with the tests, so the path is set before it is imported.

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from core.workload.measure import Agreement, agreement
from core.workload.traffic import Sent, traffic
from core.workload.traffic_heldout import SPECS as HELD_OUT
from core.workload.traffic_seen import SPECS as SEEN
from fairlead.core.workload import Grouper


def scanned(sent: list[Sent]) -> tuple[Grouper, list[str]]:
    grouper = Grouper()
    for one in sent:
        grouper.learn(one.request, at=one.at)
    grouper.link()
    return grouper, [grouper.assign(one.request).workload_id for one in sent]


def score(sent: list[Sent], found: list[str]) -> Agreement:
    kept = [(one.key, id_) for one, id_ in zip(sent, found, strict=True) if one.key != "noise"]
    return agreement([k for k, _ in kept], [i for _, i in kept])


def errors(grouper: Grouper, sent: list[Sent], found: list[str]) -> None:
    by_id: dict[str, Counter[str]] = {}
    by_key: dict[str, Counter[str]] = {}
    for one, id_ in zip(sent, found, strict=True):
        by_id.setdefault(id_, Counter())[one.key] += 1
        by_key.setdefault(one.key, Counter())[id_] += 1
    for id_, keys in sorted(by_id.items(), key=lambda e: -sum(e[1].values())):
        if len(keys) > 1:
            print(f"    joined  {grouper.name(id_)!r}: {dict(keys.most_common(5))}")
    for key, ids in by_key.items():
        if len(ids) > 1 and key != "noise":
            print(f"    split   {key}: {[(grouper.name(i), n) for i, n in ids.most_common(5)]}")


def report(title: str, sent: list[Sent], *, show: bool) -> None:
    grouper, found = scanned(sent)
    got = score(sent, found)
    keys = len({one.key for one in sent} - {"noise"})
    print(
        f"{title:<28} {len(sent):>7,} requests {keys:>3} jobs {len(set(found)):>4} workloads  homogeneity {got.homogeneity:.3f}  completeness {got.completeness:.3f}  V {got.v:.4f}"
    )
    if show:
        errors(grouper, sent, found)


def stability(specs: list, size: int) -> None:
    sent = traffic(specs, size=size, shuffled=False)
    _, whole = scanned(sent)
    quarters = {"first quarter": sent[: size // 4], "every fourth": sent[::4], "last quarter": sent[-(size // 4) :]}
    places = {"first quarter": whole[: size // 4], "every fourth": whole[::4], "last quarter": whole[-(size // 4) :]}
    for name, part in quarters.items():
        _, found = scanned(part)
        same = sum(a == b for a, b in zip(found, places[name], strict=True)) / len(part)
        print(
            f"  {name:<14} alone against the whole scan: same id for {same:.4f}, V of the two groupings {agreement(places[name], found).v:.4f}"
        )


def speed(size: int) -> None:
    sent = traffic(SEEN + HELD_OUT, size=size)
    grouper = Grouper()
    began = time.process_time()
    for one in sent:
        grouper.learn(one.request, at=one.at)
    learned = time.process_time()
    grouper.link()
    linked = time.process_time()
    for one in sent:
        grouper.assign(one.request)
    done = time.process_time()
    print(
        f"  learn {(learned - began) / size * 1e6:.1f} µs, assign {(done - linked) / size * 1e6:.1f} µs per exchange; link {linked - learned:.2f} s once"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--show", action="store_true", help="list what was joined and split in the templates looked at")
    parser.add_argument("--held-out", action="store_true")
    chosen = parser.parse_args()
    report("templates looked at", traffic(SEEN, size=chosen.size), show=chosen.show)
    report("the same, 300 requests", traffic(SEEN, size=300), show=False)
    stability(SEEN, chosen.size)
    speed(chosen.size)
    if chosen.held_out:
        report("templates kept aside", traffic(HELD_OUT, size=chosen.size), show=False)
        report("both, mixed", traffic(SEEN + HELD_OUT, size=chosen.size), show=False)


if __name__ == "__main__":
    main()
