"""What it costs the control process to keep a call: read, redact, place, price, add up, write to SQLite.

    python benchmarks/capture.py [CALLS]

Four kinds of traffic (the same call again, another question each time, another prompt and tool each time, a streamed answer of 32
events), under `keep` and `mask`, beside what a recorder would take that only writes both raw bodies as a row. Printed as ratios to
that recorder, for the machine's speed drops out of them; microseconds of this run are printed beside them.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from time import thread_time, time_ns

from fairlead.core.redact import Policy, Redactor
from fairlead.edge.catalog.prices import Prices
from fairlead.edge.control.capture import Capture
from fairlead.edge.control.placing import Placing
from fairlead.edge.recognisers import Recognisers
from fairlead.edge.store import Ledger
from fairlead.serve.frames import Call, Ended, Protocol

BATCH = 500
RULES = "You extract fields from invoices. Return JSON with number, date, supplier and total. Never invent values. " * 4
TOOL = {"name": "record", "description": "Record the fields of an invoice", "parameters": {"type": "object", "properties": {"total": {"type": "number"}}}}  # fmt: skip


def request(number: int, kind: str) -> bytes:
    rules = f"Assistant {number} of the office.\n{RULES}" if kind == "another prompt" else RULES
    asked = f"Invoice INV-{number:06d}" if kind != "the same" else "Invoice INV-20817"
    tool = {**TOOL, "name": f"record_{number}"} if kind == "another prompt" else TOOL
    body = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": rules},
            {"role": "user", "content": f"{asked}\nTotal due: EUR 1,284.50\n" * 4},
        ],
        "temperature": 0,
        "tools": [{"type": "function", "function": tool}],
        "stream": kind == "a stream",
    }
    return json.dumps(body).encode()


def response(number: int, kind: str) -> bytes:
    shown = 0 if kind == "the same" else number
    usage = {"prompt_tokens": 142, "completion_tokens": 52, "total_tokens": 194}
    head = {"id": f"chatcmpl-{shown:012d}", "model": "gpt-4o-mini", "created": 1_760_000_000}
    if kind != "a stream":
        said = {
            "role": "assistant",
            "content": f"Invoice {shown} of Northwind Traders, total 1,284.50 EUR, due in 30 days. " * 2,
        }
        return json.dumps(
            {**head, "choices": [{"index": 0, "message": said, "finish_reason": "stop"}], "usage": usage}
        ).encode()
    events = [
        {**head, "choices": [{"index": 0, "delta": {"content": f"tok{i} "}, "finish_reason": None}]} for i in range(31)
    ]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def calls(count: int, kind: str) -> list[Call]:
    start = time_ns() // 1000
    return [
        Call(
            call_id=f"c{start + n:x}",
            process=0,
            started_us=start + n,
            path="/v1/chat/completions",
            protocol=Protocol.OPENAI_CHAT,
            spoken=Protocol.OPENAI_CHAT,
            model="gpt-4o-mini",
            streamed=kind == "a stream",
            request=request(n, kind),
            response=response(n, kind),
            status=200,
            ended=Ended.DONE,
            first_byte_s=0.01,
            latency_s=0.02,
            upstream="openai",
            key_id="k1",
        )
        for n in range(count)
    ]


def recorder(folder: Path, batches: Sequence[Sequence[Call]]) -> float:
    """CPU of a recorder that writes raw bodies, in seconds."""
    database = sqlite3.connect(folder / "raw.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(
        "CREATE TABLE t (id TEXT, at INTEGER, model TEXT, status INTEGER, latency REAL, request BLOB, response BLOB)"
    )
    begun = thread_time()
    for batch in batches:
        database.execute("BEGIN")
        rows = [(c.call_id, c.started_us, c.model, c.status, c.latency_s, c.request, c.response) for c in batch]
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.execute("COMMIT")
    took = thread_time() - begun
    database.close()
    return took


def kept(folder: Path, batches: Sequence[Sequence[Call]], policy: Policy) -> float:
    """CPU of keeping the calls, in seconds."""
    redactor = Redactor(Recognisers(), policy=policy, key=lambda: b"key")
    capture = Capture(redactor=redactor, price=Prices().cost_of, rate={"USD": Decimal(1)}.get, placing=Placing())
    with Ledger.open(folder / f"{policy}.db") as ledger:
        begun = thread_time()
        for batch in batches:
            lot = capture.read(batch)
            ledger.capture(lot.arrivals, lot.tallies)
        return thread_time() - begun


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print(f"{'traffic':16}{'recorder':>12}{'keep':>12}{'mask':>12}{'keep/recorder':>16}{'mask/keep':>12}")
    for kind in ("the same", "another question", "another prompt", "a stream"):
        everything = calls(count, kind)
        batches = [everything[i : i + BATCH] for i in range(0, count, BATCH)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            kept(folder, batches[:1], Policy.HASH)  # loads what is loaded once
            raw = recorder(folder, batches) / count
            keep, mask = (kept(folder, batches, policy) / count for policy in (Policy.KEEP, Policy.MASK))
        times = "".join(f"{each * 1e6:>9.0f} µs" for each in (raw, keep, mask))
        print(f"{kind:16}{times}{keep / raw:>16.1f}{mask / keep:>12.2f}")


if __name__ == "__main__":
    main()
