"""The ledger: one place where everything Fairlead knows is kept."""

from fairlead.edge.store.forget import Forgotten
from fairlead.edge.store.ledger import Ledger, PilotEntry, Size, VerdictEntry

__all__ = ["Forgotten", "Ledger", "PilotEntry", "Size", "VerdictEntry"]
