"""What a scan costs: `python -m benchmarks.scan [--size 60] [--memory]` (megabytes of log; 1000 for the figure in the docs).

Over one generated log (see `log.py`): `fairlead scan` in a process of its own, without bodies, with bodies and the default redaction,
and with personal data masked; nothing is switched off. Beside each scan, five times a second all the time it runs, the parts that it
borrows (decode, hash, compressor, redactor) are run alone over some lines of the same log: a shared machine is up to twice as fast in
one minute as in the next, so only what was measured in the same seconds can be compared. Prints CPU seconds of all processes
together, microseconds a line, the ratios, the most memory that all processes held together (shared pages counted once), and with
`--shares` the share of each step. 100 MB take about two minutes on two shared cores, 1 GB about seven.
At 100 MB and below, a good part is paid once per scan: imports, the language model, the first fifty calls of each kind. `--memory` scans a tenth of the log as well, to show that memory is flat.
"""

from __future__ import annotations

import argparse
import compileall
import cProfile
import hashlib
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import msgspec
import phonenumbers
import zstandard

import fairlead
from benchmarks.scan.log import write
from fairlead.core.redact import Policy, Redactor
from fairlead.edge.app import opened, scanning
from fairlead.edge.cli.main import look_for_garbage_seldom
from fairlead.edge.recognisers import Recognisers

LOOK_S = 0.2
TITLES = {"drop": "scan without bodies", "keep": "scan with bodies", "mask": "scan, data masked"}
DECODE, OURS, THEIRS = "decode (msgspec)", "redactor (ours)", "phone library, matching"
STEPS = {
    "decode": ("wire/decode.py",),
    "read a row": ("wire/row.py", "wire/openai.py", "wire/fields.py", "wire/moment.py", "sources/", "wire/stream.py"),
    "redact": ("core/redact/",),
    "key and hash": ("wire/key.py", "sources/seen.py"),
    "learn and place": ("core/workload/group.py", "core/workload/mask.py", "core/workload/sentence.py", "core/workload/sample.py",
                        "core/workload/tree.py", "core/workload/shape.py", "core/workload/memo.py", "scan/spool.py", "scan/workloads.py"),
    "grow": ("core/workload/grow.py", "core/workload/blocks.py", "core/workload/link.py", "core/workload/wording.py", "core/workload/naming.py"),
    "category": ("core/workload/signals.py", "core/workload/category.py", "core/workload/language.py", "edge/language.py", "py3langid", "numpy", "lzma"),
    "keep": ("edge/store/", "core/ids.py"),
    "count and cost": ("scan/shape.py", "scan/counting.py", "edge/catalog/", "core/money.py", "edge/app/"),
}  # fmt: skip


def lines_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def again_and_again(path: Path) -> Iterator[bytes]:
    """Every line of the log, from its beginning again when it ends."""
    while True:
        yield from lines_of(path)


class Beside:
    """The parts that a scan borrows, each run alone over lines of the log, a few at a time while the scan runs.

    With `personal`, the phone library's own matching is measured too: it stands for the redactor where personal data is masked.
    """

    def __init__(self, path: Path, *, personal: bool) -> None:
        redactor = Redactor(Recognisers(), policy=Policy.KEEP)
        decode = msgspec.json.decode
        compress = zstandard.ZstdCompressor(level=1).compress
        self._lines = again_and_again(path)
        self._works: dict[str, tuple[int, Callable[[bytes], object], Callable[[object], object]]] = {
            DECODE: (400, bytes, decode),
            "hash (blake2b)": (100, bytes, lambda line: hashlib.blake2b(line, digest_size=16).digest()),
            "compressor (zstd)": (100, bytes, compress),
            OURS: (50, decode, redactor.value),
        }
        if personal:
            self._works[THEIRS] = (2, decode, matched)
        self._seconds: Counter[str] = Counter()
        self._count: Counter[str] = Counter()

    def look(self) -> None:
        """Run each part over its next lines."""
        for name, (number, ready, work) in self._works.items():
            made = [ready(line) for line in islice(self._lines, number)]
            began = time.process_time()
            for each in made:
                work(each)
            self._seconds[name] += time.process_time() - began
            self._count[name] += number

    def line_us(self) -> dict[str, float]:
        """Microseconds of CPU a line, by part."""
        return {name: self._seconds[name] / count * 1e6 for name, count in self._count.items()}


def matched(value: object) -> object:
    """What the phone library's own matcher finds in all texts of a line."""
    if isinstance(value, str):
        return list(phonenumbers.PhoneNumberMatcher(value, "GB"))
    if isinstance(value, dict | list):
        return [matched(member) for member in (value.values() if isinstance(value, dict) else value)]
    return None


def scanned(path: Path, policy: str, *, shares: bool, beside: Beside | None = None) -> dict[str, float]:
    """Scan in a process of its own: CPU seconds with all its children's, wall seconds, megabytes at most."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "benchmarks.scan",
            "--one",
            str(path),
            "--policy",
            policy,
            "--ledger",
            f"{folder}/a.db",
        ]
        with subprocess.Popen([*command, *(["--shares"] if shares else [])], stdout=subprocess.PIPE, text=True) as scan:
            most = 0
            while scan.poll() is None:
                most = max(most, sum(map(held_kb, family_of(scan.pid))))
                if beside is not None:
                    beside.look()
                time.sleep(LOOK_S)
            assert scan.stdout is not None
            told = scan.stdout.read()
        if scan.returncode:
            raise subprocess.CalledProcessError(scan.returncode, command)
        return json.loads(told.splitlines()[-1]) | {"tree_mb": most // 1024}


def family_of(process: int) -> list[int]:
    """The process and all that it started; none of those that ended meanwhile."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(each for child in children for each in family_of(int(child)))]


def held_kb(process: int) -> int:
    """The memory that a process holds, a page that it shares with others by its part; nothing of one that ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def one(path: str, policy: str, ledger: str, *, shares: bool) -> None:
    """Scan here and print what it took."""
    profile = cProfile.Profile(time.process_time)
    look_for_garbage_seldom()  # as the command does
    began = time.perf_counter()
    with opened(ledger=ledger, config=None) as desk:
        if shares:
            profile.enable()
        done = scanning.run(desk, [path], currency="USD", on_progress=lambda _step, _count: None, redact=Policy(policy))
        profile.disable()
    times = os.times()
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    record: dict[str, object] = {
        "cpu": times.user + times.system + times.children_user + times.children_system,
        "wall": time.perf_counter() - began,
        "mb": int(peak.split()[1]) // 1024,
        "exchanges": done.taken.new,
        "workloads": len(done.survey.workloads),
    }
    if shares:
        record["steps"] = steps_of(profile)
    print(json.dumps(record))


def steps_of(profile: cProfile.Profile) -> dict[str, float]:
    """The share of each step, by the files whose functions the time was spent in; what C did counts for its callers."""
    found = dict.fromkeys([*STEPS, "the rest"], 0.0)
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (file, _, _), (_, _, own, _, callers) in stats.items():
        if file != "~":
            found[step_of(file)] += own
            continue
        for (caller, _, _), (_, _, part, _) in callers.items():
            found[step_of(caller)] += part
    whole = sum(found.values())
    return {name: seconds / whole for name, seconds in found.items()}


def step_of(file: str) -> str:
    return next((name for name, places in STEPS.items() if any(place in file for place in places)), "the rest")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=60, help="megabytes of log")
    parser.add_argument("--memory", action="store_true", help="scan a tenth of the log as well")
    parser.add_argument("--log", type=Path, help="a log that `--size` made before; made there when it does not exist")
    parser.add_argument("--only", choices=tuple(TITLES), help="one of the three scans")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--policy", default="keep", help=argparse.SUPPRESS)
    parser.add_argument("--ledger", default="", help=argparse.SUPPRESS)
    parser.add_argument("--shares", action="store_true", help="also print the share of each step, in a profiled run")
    given = parser.parse_args()
    if given.one:
        one(given.one, given.policy, given.ledger, shares=given.shares)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = given.log or Path(folder, "log.jsonl")
        compileall.compile_dir(Path(fairlead.__file__).parent, quiet=1)  # as an installation does
        if not path.exists():
            write(path, int(given.size * 1e6))
        size, number = path.stat().st_size, sum(1 for _ in lines_of(path))
        print(f"{size / 1e6:,.0f} MB, {number:,} lines of {size / number / 1000:.1f} KB")
        for policy in [given.only] if given.only else TITLES:
            report(path, number, policy, shares=given.shares)
        if given.memory:
            small = Path(folder, "small.jsonl")
            write(small, int(size / 10))
            took = scanned(small, "keep", shares=False)
            print(
                f"memory: {took['tree_mb']:,} MB in all processes ({took['mb']:,} MB in the first) for a tenth of the log"
            )


def report(path: Path, number: int, policy: str, *, shares: bool) -> None:
    """Print a scan beside the parts. Where personal data is masked, the library's own matching stands for the redactor."""
    beside = Beside(path, personal=policy == "mask")
    took = scanned(path, policy, shares=False, beside=beside)
    line_us = took["cpu"] / number * 1e6
    parts = beside.line_us()
    print(
        f"{TITLES[policy]}: {took['cpu']:.1f} s CPU, {line_us:.0f} µs a line; {took['wall']:.1f} s on the clock"
        f" ({took['cpu'] / took['wall']:.1f} cores), {took['tree_mb']:,} MB at most in all processes together"
        f" ({took['mb']:,} MB in the first), {took['workloads']:g} workloads"
    )
    print("  beside it, µs a line: " + ", ".join(f"{name} {us:.1f}" for name, us in parts.items()))
    print(f"  {line_us / parts[DECODE]:.1f}× decoding" + against(line_us, parts, policy), flush=True)
    if shares:
        told = scanned(path, policy, shares=True)["steps"]
        assert isinstance(told, dict)
        print(
            "  " + ", ".join(f"{name} {share:.0%}" for name, share in sorted(told.items(), key=lambda step: -step[1]))
        )


def against(line_us: float, parts: Mapping[str, float], policy: str) -> str:
    """The scan against the sum of its borrowed parts, where it stores bodies."""
    if policy == "drop":
        return ""
    if policy == "keep":
        return f"; {line_us / sum(parts.values()):.2f}× its borrowed parts ({sum(parts.values()):.0f} µs)"
    borrowed = sum(us for name, us in parts.items() if name != OURS)
    return f"; {line_us / borrowed:.2f}× its borrowed parts with the phone library's matching for the redactor ({borrowed:.0f} µs)"


if __name__ == "__main__":
    main()
