"""Names of a package that are loaded when they are first asked for, so that who needs only some of them waits for those."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def later(package: str, where: Mapping[str, str], names: dict[str, object]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: `where` gives the module of each name, `names` are the package's globals.

    A name must not be that of a module beside it: the module would be found in its place.
    """

    def found(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = names[name] = getattr(import_module(f"{package}.{where[name]}"), name)
        return value

    return found
