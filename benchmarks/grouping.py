"""How well, how stably and how fast requests are grouped: `python benchmarks/grouping.py [--size 20000]`.

Prints V-measure over templates that were looked at while tuning, over templates kept aside, and over both mixed; how far
a scan of a quarter agrees with the whole scan; microseconds per exchange, beside parsing the same requests' JSON; and
memory when every prompt is different.
"""

# The generator of traffic lives with the tests, so the path is set before it is imported.
# ruff: noqa: E402

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import msgspec

from benchmarks.scan.log import house_rules, longer
from core.workload.measure import Agreement, agreement
from core.workload.traffic import Sent, traffic
from core.workload.traffic_fill import Fill
from core.workload.traffic_heldout import SPECS as HELD_OUT
from core.workload.traffic_seen import SPECS as SEEN
from fairlead.core.ids import plain
from fairlead.core.nouns import Endpoint, Message, Part, PartKind, Request, Tool
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
    # A scan streams: it never holds the log, so the collector must not walk it again and again here.
    lines = [msgspec.json.encode(plain(one.request)) for one in sent]
    gc.collect()
    gc.freeze()
    took = {}
    took["decode"] = timed(lambda: [msgspec.json.decode(line) for line in lines])
    took["learn"] = timed(lambda: [grouper.learn(one.request, at=one.at) for one in sent])
    link = timed(grouper.link)
    took["assign"] = timed(lambda: [grouper.assign(one.request) for one in sent])
    parts = ", ".join(
        f"{name} {seconds / size * 1e6:.1f} µs ({seconds / took['decode']:.1f}×)" for name, seconds in took.items()
    )
    print(f"  per exchange of {sum(map(len, lines)) // size:,} bytes: {parts}; link {link:.2f} s once")


def behind_rules(size: int) -> list[Sent]:
    """All templates as production has them: a page of house rules behind each prompt, retrieved text before each message."""
    fill = Fill(Random(3))
    rules = {spec.key: house_rules(spec) for spec in SEEN + HELD_OUT}
    sent = traffic(SEEN + HELD_OUT, size=size)
    return [
        one
        if one.key == "noise" or one.request.endpoint is Endpoint.EMBEDDINGS
        else replace(one, request=longer(one.request, rules[one.key], fill))
        for one in sent
    ]


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def strange(kind: str, random: Random) -> Request:
    """A request unlike any other: in its system prompt, its message, its tools, or all of them in rare letters."""
    low, high = (0x10000, 0x1F000) if kind == "rare letters" else (0x61, 0x7B)
    system = "\n".join(
        "".join(chr(random.randrange(low, high)) for _ in range(90)) + " is said here" for _ in range(40)
    )
    user = " ".join(f"{random.random():.12f}".replace("0", "a") + "xyz" for _ in range(80))
    tools = tuple(Tool(name=f"tool_{random.random()}") for _ in range(20 if kind == "all" else 0))
    message = Message(role="user", parts=(Part(kind=PartKind.TEXT, text="hi" if kind == "systems" else user),))
    return Request(
        endpoint=Endpoint.CHAT, model="m", system="" if kind == "messages" else system, messages=(message,), tools=tools
    )


def peak_mb() -> int:
    """The most memory this process has held, in megabytes (Linux only: the usual call counts the parent's too)."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def memory(kind: str, number: int) -> None:
    """Run in a process of its own: what the grouper takes when every request is different."""
    random = Random(5)
    before = peak_mb()
    grouper = Grouper()
    for _ in range(number):
        grouper.learn(strange(kind, random))
    learned = peak_mb()
    grouper.link()
    for _ in range(number // 10):
        grouper.assign(strange(kind, random))
    Grouper.from_json(json.loads(json.dumps(grouper.to_json())))
    after = peak_mb()
    print(
        f"  {number:,} different {kind}: {before} MB at the start, {learned} MB learned, {after} MB linked, saved and loaded"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--show", action="store_true", help="list what was joined and split in the templates looked at")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--memory", choices=["systems", "messages", "rare letters", "all"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.memory:
        memory(chosen.memory, chosen.size)
        return
    report("templates looked at", traffic(SEEN, size=chosen.size), show=chosen.show)
    report("the same, 300 requests", traffic(SEEN, size=300), show=False)
    stability(SEEN, chosen.size)
    speed(chosen.size)
    for kind in ("systems", "messages", "rare letters", "all"):
        subprocess.run([sys.executable, __file__, "--memory", kind, "--size", str(chosen.size // 4)], check=True)
    if chosen.held_out:
        report("templates kept aside", traffic(HELD_OUT, size=chosen.size), show=False)
        report("each behind a page of rules", behind_rules(chosen.size), show=False)
        report("both, mixed", traffic(SEEN + HELD_OUT, size=chosen.size), show=False)


if __name__ == "__main__":
    main()
