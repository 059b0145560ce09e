"""Which category each workload is given: `python benchmarks/classify.py [--held-out]`.

Prints the confusion table over the generated templates (grouped by the truth, so that grouping errors do not count
here), those kept aside apart, and over recorded requests of real models where `../shared/data/texts` is present.
"""

# The generator of traffic lives with the tests, so the path is set before it is imported.
# ruff: noqa: E402, PLC0415

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from core.workload.traffic import traffic
from core.workload.traffic_heldout import SPECS as HELD_OUT
from core.workload.traffic_seen import SPECS as SEEN
from fairlead.core.nouns import Answer, Category, Endpoint, Message, Part, PartKind, Request, Tool
from fairlead.core.workload import CategoryTally
from fairlead.edge.language import Languages

TEXTS = ROOT.parent / "shared" / "data" / "texts"
TRUTH = {
    "alpaca_eval": Category.WRITING, "bfcl_v1": Category.STRUCTURED, "can_ai_code": Category.CODING, "routellm_gsm8k": Category.REASONING,
    "tau_bench_airline": Category.AGENTIC, "typia_validate": Category.STRUCTURED, "xstest": Category.SAFETY, "zeroeval_gsm": Category.REASONING,
}  # fmt: skip
LANGUAGES = Languages()


def recorded(name: str, limit: int = 1_500) -> Iterator[tuple[Request, Answer]]:
    import pyarrow.parquet as pq

    seen = set()
    for row in pq.read_table(TEXTS / f"{name}.parquet", columns=["item_id", "request", "response"]).to_pylist():
        if row["item_id"] in seen or len(seen) >= limit:
            continue
        seen.add(row["item_id"])
        body = json.loads(row["request"])
        leading = [m for m in body["messages"] if m["role"] == "system"]
        rest = [m for m in body["messages"] if m["role"] != "system"]
        tools = tuple(
            Tool(name=t["function"]["name"], parameters=t["function"].get("parameters") or {})
            for t in body.get("tools") or []
        )
        messages = tuple(
            Message(role=m["role"], parts=(Part(kind=PartKind.TEXT, text=str(m["content"])),)) for m in rest
        )
        system = "\n".join(str(m["content"]) for m in leading)
        yield (
            Request(endpoint=Endpoint.CHAT, model="", system=system, messages=messages, tools=tools),
            Answer(text=row["response"] or ""),
        )


def table(rows: list[tuple[str, Category, CategoryTally]], *, show: bool) -> tuple[int, int]:
    right = 0
    confusion: Counter[tuple[str, str]] = Counter()
    for name, truth, tally in rows:
        guess = tally.guess()
        right += guess.category is truth
        confusion[truth.value, guess.category.value] += 1
        if show:
            print(
                f"  {'ok   ' if guess.category is truth else 'WRONG'} {name:<22} {truth.value:<12} {guess.category.value:<12} {guess.confidence:.2f}  {'; '.join(guess.reasons)}  also {', '.join(guess.others)}"
            )
    short = [c.value for c in Category]
    print("  true \\ given   " + " ".join(f"{c[:6]:>6}" for c in short))
    for truth in short:
        print(f"  {truth:<14} " + " ".join(f"{confusion[truth, given] or '·':>6}" for given in short))
    print(f"  right: {right} of {len(rows)} ({right / len(rows):.1%})")
    return right, len(rows)


def generated(specs: list, size: int) -> list[tuple[str, Category, CategoryTally]]:
    tallies: dict[str, CategoryTally] = {}
    truth: dict[str, str] = {}
    for sent in traffic(specs, size=size, noise_share=0):
        tallies.setdefault(sent.key, CategoryTally(LANGUAGES)).add(sent.request, sent.answer)
        truth[sent.key] = sent.category
    return [(key, Category(truth[key]), tally) for key, tally in sorted(tallies.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=6_000)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--held-out", action="store_true")
    chosen = parser.parse_args()
    print("templates looked at")
    table(generated(SEEN, chosen.size), show=chosen.show)
    if TEXTS.is_dir():
        print("recorded requests with answers, each file one workload")
        rows = []
        for name, truth in TRUTH.items():
            tally = CategoryTally(LANGUAGES)
            began = time.process_time()
            for request, answer in recorded(name):
                tally.add(request, answer)
            rows.append((name, truth, tally))
            print(
                f"    {name}: {tally.seen} items, {(time.process_time() - began) / max(1, tally.read) * 1e3:.2f} ms per item read"
            )
        table(rows, show=True)
    else:
        print(f"recorded requests: skipped, {TEXTS} is not there")
    if chosen.held_out:
        print("templates kept aside")
        table(generated(HELD_OUT, chosen.size), show=False)


if __name__ == "__main__":
    main()
