"""The wiring: settings, ledger, prices and the verbs, put together. The only place that knows all names.

The desk is loaded when it is first named: a process that only helps to read a log needs neither prices nor settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.core.later import later

if TYPE_CHECKING:
    from fairlead.edge.app.desk import Desk, opened

__all__ = ["Desk", "opened"]

__getattr__ = later(__name__, {"Desk": "desk", "opened": "desk"}, globals())
