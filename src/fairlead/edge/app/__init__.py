"""The wiring: settings, ledger, prices and the verbs, put together. The only place that knows all names."""

from fairlead.edge.app.desk import Desk, opened

__all__ = ["Desk", "opened"]
