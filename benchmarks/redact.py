"""What redaction costs: `python benchmarks/redact.py [--exchanges 3000] [--rounds 3]`.

Exchanges of the simulated organisation, as a scan reads them, in one process, every part over the same exchanges, in turns.
Prints CPU microseconds per exchange and per 5 KB of log, for redaction and for its borrowed parts alone: decoding,
hashing, compressing, and the libraries that know the numbers, used the way their manuals show (a phone matcher run over
the text, every run of digits tried against the check digits). The median of the rounds is shown; ratios are what to look at.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
import phonenumbers
import zstandard
from stdnum import iban, luhn
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.us import ssn

from fairlead.core.nouns import Exchange
from fairlead.core.redact import Policy, Redactor, redacted
from fairlead.demo.organisation import generate
from fairlead.edge.recognisers import Recognisers
from fairlead.edge.sources import read

DIGITS = re.compile(r"\d(?:[ -]?\d){7,18}")
LIBRARY_SHARE = 50
"""The libraries alone are so slow that they see every fiftieth exchange."""


def lines_of(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.iterdir()):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from file


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)


def libraries(exchanges: list[Exchange]) -> None:
    for exchange in exchanges:
        for text in texts([exchange.request_body, exchange.response_body]):
            list(phonenumbers.PhoneNumberMatcher(text, "GB"))
            for found in DIGITS.findall(text):
                any(scheme.is_valid(found) for scheme in (luhn, iban, nhs, aadhaar, ssn))


def spent(work: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sample = generate(Path(folder))
        lines = list(islice(lines_of(sample.logs), given.exchanges))
        exchanges = [x for x in islice(read.read([str(sample.logs)]), given.exchanges) if isinstance(x, Exchange)]
    size = sum(map(len, lines)) / len(lines)
    few = exchanges[::LIBRARY_SHARE]
    checks = Recognisers()
    redacted(exchanges[0], Redactor(checks))
    compress = zstandard.ZstdCompressor(level=3).compress

    def by(policy: Policy) -> Callable[[], object]:
        """A redactor that starts knowing nothing, as every scan does."""

        def run() -> None:
            redactor = Redactor(Recognisers(), policy=policy, key=lambda: b"k" * 32)
            for exchange in exchanges:
                redacted(exchange, redactor)

        return run

    parts: dict[str, tuple[Callable[[], object], int]] = {
        "decode (msgspec)": (lambda: [decode(line) for line in lines], len(lines)),
        "hash (blake2b)": (lambda: [hashlib.blake2b(line).digest() for line in lines], len(lines)),
        "compress (zstd 3)": (lambda: [compress(line) for line in lines], len(lines)),
        "libraries alone": (lambda: libraries(few), len(few)),
        "redact keep": (by(Policy.KEEP), len(exchanges)),
        "redact mask": (by(Policy.MASK), len(exchanges)),
        "redact hash": (by(Policy.HASH), len(exchanges)),
        "redact drop": (by(Policy.DROP), len(exchanges)),
    }
    print(f"{len(exchanges):,} exchanges, {size / 1000:.1f} KB each")
    print(f"{'':22}{'µs/exchange':>12}{'µs/5 KB':>10}")
    took = {name: spent(work, given.rounds) / count * 1e6 for name, (work, count) in parts.items()}
    for name, micros in took.items():
        print(f"{name:22}{micros:12.1f}{micros * 5000 / size:10.1f}")
    borrowed = sum(took[name] for name in list(parts)[:4])
    print(f"libraries alone : mask = {took['libraries alone'] / took['redact mask']:.0f} : 1")
    print(f"(decode + hash + compress + mask) : the same with the libraries alone = {(borrowed - took['libraries alone'] + took['redact mask']) / borrowed:.3f}")  # fmt: skip


def decode(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # the sample holds three broken lines


if __name__ == "__main__":
    main()
