"""Fairlead finds which of an organisation's LLM workloads an open-weight model can take over, and proves it.

    scan → pilot → plan → report

Each verb hands records over through the ledger; `fairlead --help` lists the commands.
"""

__version__ = "0.1.0"
