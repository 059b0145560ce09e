"""How well, how stably and how fast requests are grouped: `python benchmarks/grouping.py [--size 20000]` (about two minutes).

Prints V-measure over templates that were looked at while tuning; how far a scan of a quarter agrees with the whole scan;
microseconds per exchange, beside parsing the same requests' JSON; and memory when every prompt is different.

`--table` prints V-measure over sizes from 1,000 to 50,000: for templates looked at, templates kept aside and both, as they are,
behind pages of house rules (a page for each, one for all, pages that only state things), in shuffled order and in order of time,
and how far a quarter of each log agrees with the whole (about fifteen minutes; `--sizes 1000 8000` for less).
`--growth` prints processor time per exchange and memory at 10,000, 50,000 and 200,000 exchanges that are all different (about
ten minutes).
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
from core.workload.traffic import Sent, Spec, traffic
from core.workload.traffic_fill import ADJ, NOUN, TAIL, Fill
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


SAYS = ["The archive holds", "Our members like", "The council pays for", "Nobody here owns", "The office opens with"]


def statements(spec: Spec) -> list[str]:
    """A page behind one template's prompt that asks for nothing: lines that other templates' pages nearly have too."""
    fill = Fill(Random(f"statements of {spec.key}"))
    return [
        f"- {fill.pick(SAYS)} the {fill.pick(ADJ)} {fill.pick(NOUN)} {fill.pick(TAIL)}. {fill.pick(SAYS)} the {fill.pick(NOUN)}."
        for _ in range(28)
    ]


def behind(specs: list[Spec], size: int, page: Callable[[Spec], list[str]], *, shuffled: bool = True) -> list[Sent]:
    """Templates as production has them: a page of rules behind each prompt, retrieved text before each message."""
    fill = Fill(Random(3))
    rules = {spec.key: page(spec) for spec in specs}
    return [
        one
        if one.key == "noise" or one.request.endpoint is Endpoint.EMBEDDINGS
        else replace(one, request=longer(one.request, rules[one.key], fill))
        for one in traffic(specs, size=size, shuffled=shuffled)
    ]


PAGES: dict[str, Callable[[Spec], list[str]] | None] = {
    "no rules": None,
    "a page for each": house_rules,
    "one page for all": lambda _: house_rules(SEEN[0]),
    "pages of statements": statements,
}
HALVES = {"looked at": SEEN, "kept aside": HELD_OUT, "both": SEEN + HELD_OUT}


def table(sizes: list[int]) -> None:
    """V-measure by size, half and page of rules, and the share of a quarter's ids that are the whole log's."""
    print(f"{'templates':<12}{'behind':<22}{'order':<10}" + "".join(f"{size:>10,}" for size in sizes))
    worst, least = 1.0, 1.0
    for half, specs in HALVES.items():
        for at, (title, page) in enumerate(PAGES.items()):
            shuffled = at % 2 == 0
            cells: list[str] = []
            for size in sizes:
                sent = (
                    traffic(specs, size=size, shuffled=shuffled)
                    if page is None
                    else behind(specs, size, page, shuffled=shuffled)
                )
                _, found = scanned(sent)
                got = score(sent, found).v
                worst = min(worst, got)
                cells.append(f"{got:>10.4f}")
                if half == "both" and size >= 4_000:
                    _, part = scanned(sent[::4])
                    same = sum(a == b for a, b in zip(part, found[::4], strict=True)) / len(part)
                    least = min(least, same)
                    cells[-1] = f"{got:.3f}/{same:.3f}".rjust(12)
            print(f"{half:<12}{title:<22}{'shuffled' if shuffled else 'by time':<10}" + "".join(cells), flush=True)
    print(
        f"lowest V {worst:.4f} (at least 0.97 wanted); lowest share of a quarter's ids that are the whole log's {least:.4f} (0.98)"
    )


def growth(sizes: list[int]) -> None:
    """Processor time per exchange and memory as ever more exchanges come that are all different; one process for each kind."""
    for kind in KINDS:
        subprocess.run([sys.executable, __file__, "--grow", kind, "--sizes", *map(str, sizes)], check=True)


def grow_by(kind: str, sizes: list[int]) -> None:
    """Run in a process of its own. Making the requests is not counted."""
    random = Random(5)
    before = peak_mb()
    grouper = Grouper()
    seen = 0
    spent = 0.0
    for size in sizes:
        took, here = 0.0, size - seen
        while seen < size:
            made = [strange(kind, random, size=8) for _ in range(min(1_000, size - seen))]
            began = time.process_time()
            for request in made:
                grouper.learn(request)
                grouper.place(request)
            took += time.process_time() - began
            seen += len(made)
        began = time.process_time()
        grouper.link()
        linked = time.process_time() - began
        state = len(msgspec.json.encode(grouper.to_json())) / 1e6
        spent += took
        print(
            f"  {kind:<13} {size:>8,}: {took / here * 1e6:6.0f} µs of processor per exchange since the size before, "
            f"link {linked:5.2f} s, state kept {state:5.1f} MB, held {peak_mb() - before} MB over the {before} MB at the start",
            flush=True,
        )


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


KINDS = ("systems", "messages", "rare letters", "all")


def strange(kind: str, random: Random, *, size: int = 40) -> Request:
    """A request unlike any other: in its system prompt, its message, its tools, or all of them in rare letters."""
    low, high = (0x10000, 0x1F000) if kind == "rare letters" else (0x61, 0x7B)
    system = "\n".join(
        "".join(chr(random.randrange(low, high)) for _ in range(90)) + " is said here" for _ in range(size)
    )
    user = " ".join(f"{random.random():.12f}".replace("0", "a") + "xyz" for _ in range(2 * size))
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
    parser.add_argument(
        "--table", action="store_true", help="V-measure over several sizes, with and without house rules"
    )
    parser.add_argument("--growth", action="store_true", help="time and memory as ever more different exchanges come")
    parser.add_argument("--sizes", type=int, nargs="+", help="the sizes of --table or --growth")
    parser.add_argument("--memory", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--grow", choices=KINDS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.table:
        table(chosen.sizes or [1_000, 3_000, 6_000, 8_000, 20_000, 50_000])
        return
    if chosen.grow:
        grow_by(chosen.grow, chosen.sizes)
        return
    if chosen.growth:
        growth(chosen.sizes or [10_000, 50_000, 200_000])
        return
    if chosen.memory:
        memory(chosen.memory, chosen.size)
        return
    report("templates looked at", traffic(SEEN, size=chosen.size), show=chosen.show)
    report("the same, 300 requests", traffic(SEEN, size=300), show=False)
    stability(SEEN, chosen.size)
    speed(chosen.size)
    for kind in KINDS:
        subprocess.run([sys.executable, __file__, "--memory", kind, "--size", str(chosen.size // 4)], check=True)
    if chosen.held_out:
        report("templates kept aside", traffic(HELD_OUT, size=chosen.size), show=False)
        report("each behind a page of rules", behind(SEEN + HELD_OUT, chosen.size, house_rules), show=False)
        report("both, mixed", traffic(SEEN + HELD_OUT, size=chosen.size), show=False)


if __name__ == "__main__":
    main()
