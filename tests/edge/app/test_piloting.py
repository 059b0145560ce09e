"""What orders the pilots of one order: it hangs on the log, not on how the log was read."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from fairlead.core.nouns import Dialect, Endpoint, ExchangeRow, TokenPrice, Usage
from fairlead.edge.app import opened, piloting

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PRICE = TokenPrice(input=Decimal(2), output=Decimal(8), currency="USD", since="", source="flag")


def test_in_whatever_order_processes_kept_the_rows_a_workload_is_as_dear(tmp_path: Path) -> None:
    dice = random.Random(7)
    rows = [
        ExchangeRow(
            seq=number,
            id=f"call-{number}",
            request_key=f"key-{number}",
            workload_id="w1",
            prompt_id=None,
            dialect=Dialect.OPENAI_CHAT,
            endpoint=Endpoint.CHAT,
            model="acme",
            provider=None,
            usage=Usage(fresh=dice.randrange(10, 4_000), visible=dice.randrange(1, 900)),
            started_at=NOW,
            latency_s=None,
            failure=None,
            conversation=None,
        )
        for number in range(5 * piloting.LOOKED_AT)
    ]
    kept_otherwise = [
        replace(row, seq=seq) for seq, row in enumerate(sorted(rows, key=lambda _: dice.random()), start=1)
    ]
    with opened(ledger=str(tmp_path / "a.db"), config=None, own_prices={"acme": PRICE}, now=NOW) as desk:
        assert piloting.spend(desk, rows) == piloting.spend(desk, kept_otherwise) > 0
