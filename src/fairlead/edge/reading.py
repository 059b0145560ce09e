"""One value of `fairlead.toml` at a time: of the kind that is wanted, or an error that names the place and what would work."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from fairlead.core.errors import InputError

FILE_NAME = "fairlead.toml"

Word = TypeVar("Word", bound=StrEnum)


def choice(words: type[Word], value: Any, where: str) -> Word:
    """One of the words of a setting."""
    try:
        return words(value)
    except ValueError:
        raise InputError(f"{where} must be one of {', '.join(words)}, not {value!r}.") from None


def known(raw: Mapping[str, Any], names: set[str], where: str) -> None:
    """Refuse a name nobody reads, so that a typing slip never goes unnoticed."""
    for name in raw:
        if name not in names:
            raise InputError(f"{where} has an unknown name {name!r}; known are {', '.join(sorted(names))}.")


def table(raw: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    """The sub-table `name`, empty when absent."""
    return mapping(raw.get(name, {}), f"{where} [{name}]")


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """`value` as a table."""
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a table, not {value!r}.")
    return value  # pyright: ignore[reportUnknownVariableType]


def text(raw: Mapping[str, Any], name: str, where: str) -> str | None:
    """A text setting, `None` when absent."""
    value = raw.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: {name} must be text, not {value!r}.")
    return value


def number(raw: Mapping[str, Any], name: str, where: str, default: float) -> float:
    """A number setting."""
    value = raw.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where}: {name} must be a number, not {value!r}.")
    return value
