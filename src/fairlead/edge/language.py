"""The language identifier behind `core.workload`: py3langid, loaded on first use from its own package, never downloaded.

The model takes seconds and tens of megabytes to load, and most logs are plainly English or in a script of their own,
so it is loaded only when a text needs it.
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import Final, Protocol, cast

_SURE: Final = 0.7


class _Identifier(Protocol):
    def classify(self, text: str) -> tuple[str, float]: ...


class Languages:
    """Says which language a text is in, or `None` where that is not sure."""

    @cached_property
    def _identifier(self) -> _Identifier:
        module = import_module("py3langid.langid")
        return cast("_Identifier", module.LanguageIdentifier.from_model_file(module.MODEL_FILE, norm_probs=True))

    def __call__(self, text: str) -> str | None:
        """The ISO 639-1 code of the text's language."""
        code, probability = self._identifier.classify(text)
        return code if probability >= _SURE else None
