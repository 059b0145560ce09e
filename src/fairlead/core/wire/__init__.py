"""Providers' protocols to records and back: bodies, streams, whole log rows, and one key for equal asks."""
