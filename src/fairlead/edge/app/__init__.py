"""The wiring: settings, ledger, prices and the verbs, put together. The only place that knows all names.

The desk is loaded when it is first named: a process that only helps to read a log needs neither prices nor settings.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.edge.app.desk import Desk, opened

__all__ = ["Desk", "opened"]


def __getattr__(name: str) -> Any:
    """What is loaded when it is first named."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module("fairlead.edge.app.desk"), name)
    return found
