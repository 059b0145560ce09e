"""How long a cell of a table may be, for as long as a table is read: Python keeps one such limit for the whole process."""

from __future__ import annotations

import csv
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def cells_up_to(characters: int) -> Generator[None]:
    """Let cells be so long within the block; afterwards the limit is what it was."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)
