"""What reading and redacting one line costs beside decoding it: `python -m benchmarks.scan.stages [--rounds 5]` (under a minute).

One process, over lines of the log that `benchmarks.scan` scans: decoding alone, reading a line into an exchange, and redacting
that under each policy. The first lines only warm what is remembered. Each hundred lines are timed by themselves and the least of
the rounds counts, so that a busy machine changes little; quote the ratios. To lay two versions side by side, run it with the
other's `src` in PYTHONPATH, in turns.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.scan.log import write
from fairlead.core.nouns import Exchange
from fairlead.core.redact import Policy, Redactor, redacted
from fairlead.edge.recognisers import Recognisers
from fairlead.edge.sources.parts import Part, PartReading

WARM, MEASURED, CHUNK = 1500, 1000, 100
STARTS = range(WARM, WARM + MEASURED, CHUNK)
NOW = datetime(2026, 11, 27, tzinfo=UTC)


class Least:
    """The least CPU seconds of each stage's each hundred lines."""

    def __init__(self) -> None:
        self.found: dict[str, dict[int, float]] = {}

    def take(self, stage: str, start: int, work: Callable[[], object]) -> None:
        began = time.process_time()
        work()
        took = time.process_time() - began
        before = self.found.setdefault(stage, {})
        before[start] = min(took, before.get(start, took))

    def line_us(self, stage: str) -> float:
        return sum(self.found[stage].values()) / MEASURED * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds: int = parser.parse_args().rounds
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as a process that helps with a scan does
    least = Least()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.jsonl")
        write(path, 14_000_000)
        lines = path.read_bytes().splitlines(keepends=True)[: WARM + MEASURED]
        ends = [0, *itertools.accumulate(map(len, lines))]

        def reading(first: int, last: int) -> PartReading:
            return PartReading(Part(str(path), ends[first], ends[last], first + 1), now=NOW)

        exchanges = [each for each in reading(0, len(lines)) if isinstance(each, Exchange)]
        for _ in range(rounds):
            for start in STARTS:
                some = lines[start : start + CHUNK]
                least.take(
                    "decode (msgspec)",
                    start,
                    lambda some=some: [None for line in some if msgspec.json.decode(line) is None],
                )
                least.take(
                    "read", start, lambda start=start: [None for each in reading(start, start + CHUNK) if each is None]
                )
            for policy in (Policy.DROP, Policy.KEEP, Policy.MASK):
                redact(exchanges, policy, least)
    for stage in least.found:
        print(
            f"{stage:<20}{least.line_us(stage):8.1f} µs a line {least.line_us(stage) / least.line_us('decode (msgspec)'):6.1f}× decoding"
        )


def redact(exchanges: list[Exchange], policy: Policy, least: Least) -> None:
    redactor = Redactor(Recognisers(), policy=policy, key=lambda: b"k" * 32)
    for each in exchanges[:WARM]:
        redacted(each, redactor)
    for start in STARTS:
        some = exchanges[start : start + CHUNK]
        least.take(
            f"redact ({policy})", start, lambda some=some: [None for each in some if redacted(each, redactor) is None]
        )


if __name__ == "__main__":
    main()
