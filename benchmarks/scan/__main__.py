"""What a scan costs: `python -m benchmarks.scan [--size 60] [--memory]` (megabytes of log; 1000 for the figure in the docs).

Over one generated log (see `log.py`), in one run on one machine: decoding every line with msgspec alone; the borrowed parts
alone, one after the other (decode, hash, redactor, compressor); and `fairlead scan` itself in a process of its own: without
bodies, with bodies and the default redaction, and with personal data masked. Nothing is switched off. Prints CPU seconds of all processes together, the
ratios, the most memory that all of them held together (looked at five times a second, shared pages counted once), and the share of
each step. 100 MB take about two minutes on two shared cores, 1 GB about fifteen.
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
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
import phonenumbers
import zstandard

import fairlead
from benchmarks.scan.log import write
from fairlead.core.redact import Policy, Redactor
from fairlead.edge.app import opened, scanning, together
from fairlead.edge.cli.main import look_for_garbage_seldom
from fairlead.edge.recognisers import Recognisers

LOOK_S = 0.2
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


def cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def alone(path: Path) -> dict[str, float]:
    """CPU seconds of each borrowed part over the lines, with as many processes at it as the scan has.

    Two threads of one core each take longer than one does alone, so what is compared has the same company.
    """
    number = together.processes()
    with ProcessPoolExecutor(number) as pool:
        taken = [each.result() for each in [pool.submit(alone_here, path) for _ in range(number)]]
    return {name: sum(each[name] for each in taken) / number for name in taken[0]}


def alone_here(path: Path) -> dict[str, float]:
    """CPU seconds of each borrowed part, run alone over the lines, one part after the other."""
    redactor = Redactor(Recognisers(), policy=Policy.KEEP)
    compress = zstandard.ZstdCompressor(level=1).compress
    decode = msgspec.json.decode

    def each(work: Callable[[bytes], object]) -> float:
        return cpu(lambda: [None for line in lines_of(path) if work(line) is None])

    reading = cpu(lambda: [None for _ in lines_of(path)])
    parts = {
        "decode (msgspec)": each(decode) - reading,
        "hash (blake2b)": each(lambda line: hashlib.blake2b(line, digest_size=16).digest()) - reading,
        "compressor (zstd)": each(compress) - reading,
    }
    parts["redactor (ours)"] = each(lambda line: redactor.value(decode(line))) - reading - parts["decode (msgspec)"]
    return parts


def matcher(path: Path, share: int) -> float:
    """CPU seconds that the phone library's own matcher would take over all texts, from one line in `share`."""

    def texts(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            for member in value.values() if isinstance(value, dict) else value:
                yield from texts(member)

    some = [line for number, line in enumerate(lines_of(path)) if number % share == 0]
    return share * cpu(
        lambda: [
            list(phonenumbers.PhoneNumberMatcher(text, "GB"))
            for line in some
            for text in texts(msgspec.json.decode(line))
        ]
    )


def scanned(path: Path, policy: str, *, shares: bool) -> dict[str, float]:
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
        parts = alone(path)
        for name, seconds in parts.items():
            print(f"  {name:<24}{seconds:9.2f} s CPU {seconds / number * 1e6:9.1f} µs a line")
        library = matcher(path, max(1, number // 200))
        print(f"  {'phone library, matching':<24}{library:9.2f} s CPU (from 200 lines)")
        report(path, parts, number, library=library, shares=given.shares)
        if given.memory:
            small = Path(folder, "small.jsonl")
            write(small, int(size / 10))
            took = scanned(small, "keep", shares=False)
            print(
                f"memory: {took['tree_mb']:,} MB in all processes ({took['mb']:,} MB in the first) for a tenth of the log"
            )


def report(path: Path, parts: dict[str, float], number: int, *, library: float, shares: bool) -> None:
    """Print the scans beside the parts. Where personal data is masked, the library's own matching stands for the redactor."""
    decode, ours = parts["decode (msgspec)"], sum(parts.values())
    theirs = ours - parts["redactor (ours)"] + library
    rows = (
        ("drop", "scan without bodies", None, ""),
        ("keep", "scan with bodies", ours, "its borrowed parts"),
        ("mask", "scan, data masked", theirs, "its borrowed parts with the library's matching for the redactor"),
    )
    for policy, title, borrowed, named in rows:
        took = scanned(path, policy, shares=False)
        against = f"{took['cpu'] / decode:.1f}× decoding"
        if borrowed is not None:
            against += f", {took['cpu'] / borrowed:.2f}× {named} ({borrowed:.1f} s)"
        cores = took["cpu"] / took["wall"]
        print(
            f"{title:<22}{took['cpu']:9.2f} s CPU {took['cpu'] / number * 1e6:9.1f} µs a line: {against};"
            f" {took['wall']:.1f} s on the clock ({cores:.1f} cores), {took['tree_mb']:,} MB at most in all processes together"
            f" ({took['mb']:,} MB in the first), {took['workloads']:g} workloads"
        )
        if shares:
            told = scanned(path, policy, shares=True)["steps"]
            assert isinstance(told, dict)
            print(
                "  "
                + ", ".join(f"{name} {share:.0%}" for name, share in sorted(told.items(), key=lambda step: -step[1]))
            )


if __name__ == "__main__":
    main()
