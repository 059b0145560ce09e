"""The data classes that a user gave workloads by command, as the ledger keeps them beside what the settings say."""

from __future__ import annotations

from typing import Final

from fairlead.core.redact import DataClass
from fairlead.edge.store import Ledger

CLASSES: Final = "data classes"
"""Under which name the ledger keeps them."""


def said_local(ledger: Ledger) -> frozenset[str]:
    """The ids of the workloads that a user said may not leave."""
    kept = ledger.state(CLASSES)
    said = kept.items() if isinstance(kept, dict) else ()
    return frozenset(id_ for id_, word in said if word == DataClass.LOCAL_ONLY.value)
