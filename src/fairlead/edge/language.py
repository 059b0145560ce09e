"""The language identifier behind `core.workload`: py3langid, loaded on first use from its own package, never downloaded.

The model takes seconds and tens of megabytes to load, and most logs are plainly English or in a script of their own,
so it is loaded only when a text needs it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cached_property
from importlib import import_module
from typing import Final, Protocol, Self, TextIO, cast

_SURE: Final = 0.7
_LONGEST: Final = 4_000


class _Identifier(Protocol):
    def classify(self, text: str) -> tuple[str, float]: ...


class Languages:
    """Says which language a text is in, or `None` where that is not sure."""

    @cached_property
    def _identifier(self) -> _Identifier:
        module = import_module("py3langid.langid")
        return cast("_Identifier", module.LanguageIdentifier.from_model_file(module.MODEL_FILE, norm_probs=True))

    def load(self) -> None:
        """Load the model now: in a process that divides, so that it is loaded once."""
        _ = self._identifier

    def __call__(self, text: str) -> str | None:
        """The ISO 639-1 code of the text's language."""
        code, probability = self._identifier.classify(text)
        return code if probability >= _SURE else None


class LanguagesApart:
    """The same, asked of a process that ends with the block: what it loads does not stay in this one."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None

    def __call__(self, text: str) -> str | None:
        """The ISO 639-1 code of the text's language; `None` also where the process cannot be asked."""
        if self.child is None:
            self.child = subprocess.Popen(  # noqa: S603 - this Python, and this module
                [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        wants, says = self.child.stdin, self.child.stdout
        assert wants is not None
        assert says is not None
        try:
            wants.write(json.dumps(text[:_LONGEST]).encode() + b"\n")
            wants.flush()
        except OSError:
            return None
        line = says.readline()
        return json.loads(line) if line else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        child = self.child
        if child is None:
            return
        child.kill()
        child.communicate()


def _answer(asked: Iterable[str], told: TextIO) -> None:
    languages = Languages()
    for line in asked:
        told.write(json.dumps(languages(json.loads(line))) + "\n")
        told.flush()


if __name__ == "__main__":
    os.nice(10)
    _answer(sys.stdin, sys.stdout)
