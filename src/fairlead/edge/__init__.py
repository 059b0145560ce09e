"""Everything that touches the world: files, HTTP, the ledger, prices, the command line."""
