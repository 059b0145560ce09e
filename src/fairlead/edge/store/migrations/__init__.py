"""How the ledger came to its present shape, one step a file, run by Alembic."""
