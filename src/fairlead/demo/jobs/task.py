"""What a hidden job of the sample organisation is: a writer of tasks, with the right answer of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, Literal, TypeAlias

Dialect: TypeAlias = Literal["openai", "anthropic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One round of an agent: what it said, the tool it called, what came back."""

    said: str
    tool: str
    arguments: Mapping[str, Any]
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One request as an application would make it, and the answer its author knows to be right."""

    system: str
    user: str
    expected: Any
    image: bytes | None = None
    steps: tuple[Step, ...] = ()


Write: TypeAlias = Callable[[Random, datetime], Task]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job done by calls to a closed model. `name` and `category` are the hidden truth and reach no log.

    `calls` exchanges are written over the month, with `distinct` different requests among them. `grader` is how the
    people who labelled the answers compare one: it is in the labels file. `writers` has one entry for each version of
    the prompt, in the order in which they went live. `hours` is when people work on it (UTC), and
    `parameters` what the application sends besides the messages. `cached_share` of the calls find the first
    `prefix` characters of their prompt in the provider's cache.
    """

    name: str
    category: str
    model: str
    dialect: Dialect
    grader: str
    calls: int
    distinct: int
    writers: tuple[Write, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    hours: tuple[int, int] = (6, 18)
    cached_share: float = 0.0
    prefix: Callable[[str], int] = len


def tool(name: str, description: str, **properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool as data, all of whose properties are required."""
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"name": name, "description": description, "parameters": schema}


def text(description: str = "", **more: Any) -> Mapping[str, Any]:
    """A string property of a schema."""
    return {"type": "string", **({"description": description} if description else {}), **more}


def number(description: str = "") -> Mapping[str, Any]:
    """A number property of a schema."""
    return {"type": "number", **({"description": description} if description else {})}


def whole(description: str = "") -> Mapping[str, Any]:
    """An integer property of a schema."""
    return {"type": "integer", **({"description": description} if description else {})}
