"""The gateway's data plane: an HTTP server that answers callers and a pooled client that asks upstreams, nothing else.

It imports no database, no prices, no NumPy: what it needs to know comes as a `Snapshot`, what it saw leaves as `Call`s.
"""
