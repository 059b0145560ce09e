"""Serve: what the gateway decides. Pure rules and the records that its processes hand each other.

The data plane (`edge/gateway`) answers callers and knows nothing of ledger, prices or evidence; the control process
(`edge/control`) keeps, grades, watches and decides, and never stands between a caller and an answer. They speak in the
records of `frames` (what happened) and `snapshot` (what holds now).
"""
