"""Graders of the user's own: a Python function, named by file, by module or by entry point.

`load_grader("grade.py:closeness")`, `load_grader("mypackage.graders:closeness")` or the name of an entry point in the group
`fairlead.graders`. The function is called as `function(request, answer, expected)` and gives a bool, a number from 0 to 1, or a
`Grade`. Where it takes no third argument, or has a default for it, no labels file is needed; a fourth parameter named
`incumbent` gets the incumbent's answer. It must be pure: the same arguments, the same grade.

Rules kept here: the id holds a hash of the source file, so that an edited function is other evidence; a failed answer scores
0 without asking the function; whatever the function raises, and any result that is no score, is one line that says where.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import math
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from fairlead.core.errors import FairleadError, InputError, UsageError
from fairlead.core.nouns import JSON, Answer, Failure, Grade, PartKind, Request
from fairlead.core.ports import Grader

GROUP = "fairlead.graders"
_FORMS = (
    "FILE.py:FUNCTION, PACKAGE.MODULE:FUNCTION or the name of an installed entry point in the group fairlead.graders"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionGrader:
    """A user's function as a grader. `name` is how it was asked for, without folders."""

    name: str
    source_hash: str
    function: Callable[..., object]
    needs_expected: bool
    takes_expected: bool
    takes_incumbent: bool

    @property
    def id(self) -> str:
        """The name and the hash of the source file."""
        return f"{self.name}#{self.source_hash}"

    def grade(self, *, request: Request, answer: Answer, expected: JSON, incumbent: Answer | None) -> Grade:
        """Ask the function; a failed answer is 0 without asking."""
        if answer.failure is not None:
            return Grade(score=0.0, reason=f"no answer: {_why(answer.failure)}")
        if self.needs_expected and expected is None:
            raise InputError(f"grader {self.name} needs an expected answer, and there is none{_about(request)}.")
        given: list[object] = [request, answer, *([expected] if self.takes_expected else [])]
        named = {"incumbent": incumbent} if self.takes_incumbent else {}
        try:
            result = self.function(*given, **named)
        except FairleadError:
            raise
        except Exception as error:
            raise InputError(f"grader {self.name} raised {_raised(error)}{_about(request)}.") from error
        return _score(result, name=self.name, request=request)


def load_grader(spec: str) -> Grader:
    """The grader a user named; `UsageError` when it cannot be loaded."""
    place, separator, function = spec.rpartition(":")
    if not separator:
        return _from_entry_point(spec)
    if not place or not function.isidentifier():
        raise UsageError(f"grader {spec!r} cannot be read; name it as {_FORMS}.")
    if place.endswith(".py"):
        path = Path(place)
        return _grader(_attribute(_run_file(path), function, spec), name=f"{path.name}:{function}", source=path)
    module = _import(place, spec)
    return _grader(_attribute(module, function, spec), name=spec, source=_source_of(module, spec))


def installed_graders() -> tuple[str, ...]:
    """The names of graders that installed packages offer."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def _from_entry_point(name: str) -> Grader:
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        known = ", ".join(installed_graders())
        raise UsageError(
            f"there is no grader {name!r}{f' (installed: {known})' if known else ''}; name yours as {_FORMS}."
        )
    point = found[0]
    try:
        loaded = point.load()
    except Exception as error:
        raise UsageError(f"grader {name!r} cannot be loaded: {_raised(error)}.") from error
    return _grader(loaded, name=name, source=_source_of(importlib.import_module(point.module), _where(point)))


def _where(point: EntryPoint) -> str:
    return f"{point.name} ({point.value})"


def _grader(loaded: object, *, name: str, source: Path) -> Grader:
    """A loaded function as a grader."""
    if not callable(loaded):
        raise UsageError(f"grader {name!r} is {type(loaded).__name__} and cannot be called; give a function.")
    try:
        parameters = list(inspect.signature(loaded).parameters.values())
    except (TypeError, ValueError):
        raise UsageError(f"grader {name!r} has no readable signature; give a plain function.") from None
    if inspect.iscoroutinefunction(loaded):
        raise UsageError(f"grader {name!r} is async; a grader must be a plain function that only computes.")
    shape = _Shape.of(parameters, name=name)
    return FunctionGrader(
        name=name,
        source_hash=_hash(source),
        function=loaded,
        needs_expected=shape.needs_expected,
        takes_expected=shape.takes_expected,
        takes_incumbent=shape.takes_incumbent,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """Which arguments a function takes after request and answer."""

    needs_expected: bool
    takes_expected: bool
    takes_incumbent: bool

    @classmethod
    def of(cls, parameters: list[inspect.Parameter], *, name: str) -> _Shape:
        kinds = inspect.Parameter
        incumbent = any(p.name == "incumbent" for p in parameters)
        placed = [
            p
            for p in parameters
            if p.kind in {kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD} and p.name != "incumbent"
        ]
        open_ended = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
        surplus = [p for p in placed[3:] if p.default is kinds.empty]
        surplus += [
            p for p in parameters if p.kind is kinds.KEYWORD_ONLY and p.name != "incumbent" and p.default is kinds.empty
        ]
        if (len(placed) < 2 and not open_ended) or surplus:
            raise UsageError(
                f"grader {name!r} must take (request, answer, expected), (request, answer) or also incumbent."
            )
        third = len(placed) >= 3
        return cls(
            needs_expected=(third and placed[2].default is kinds.empty) or (open_ended and not third),
            takes_expected=third or open_ended,
            takes_incumbent=incumbent,
        )


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"grader file {str(path)!r} does not exist.")
    # Named after its content: two files called grade.py never share a module, and one file is run once.
    module_name = f"fairlead_grader_{path.stem}_{_hash(path)}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"grader file {str(path)!r} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise UsageError(f"grader file {path.name} cannot be loaded: {_raised(error)}.") from error
    finally:
        sys.path.remove(folder)
    return module


def _import(name: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise UsageError(f"grader {spec!r} cannot be loaded: {_raised(error)}.") from error


def _attribute(module: ModuleType, function: str, spec: str) -> object:
    if not hasattr(module, function):
        raise UsageError(f"grader {spec!r}: there is no {function!r} in it.")
    return getattr(module, function)


def _source_of(module: ModuleType, spec: str) -> Path:
    file = getattr(module, "__file__", None)
    if not file:
        raise UsageError(f"grader {spec!r} has no source file, so a change to it would go unnoticed; put it in a file.")
    return Path(file)


def _hash(path: Path) -> str:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    except OSError as error:
        raise UsageError(f"grader file {str(path)!r} cannot be read: {error.strerror or error}.") from None


def _score(result: Any, *, name: str, request: Request) -> Grade:
    grade = result if isinstance(result, Grade) else None
    score: Any = grade.score if grade is not None else result
    if isinstance(score, bool):
        score = float(score)
    # numpy's numbers are floats or turn into one; text does not count as a number even where it would.
    if not isinstance(score, str | bytes) and hasattr(score, "__float__"):
        value = float(score)
        if math.isfinite(value) and 0.0 <= value <= 1.0:
            return Grade(score=value, reason="" if grade is None else str(grade.reason)[:300])
    raise InputError(
        f"grader {name} gave {_short(repr(score))}{_about(request)}; give a bool, a number from 0 to 1, or a Grade."
    )


def _raised(error: BaseException) -> str:
    """What was raised, and the last place in a file where, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {_short(str(error))}{at}"


def _about(request: Request) -> str:
    """The beginning of the last question, by which a person finds the exchange."""
    texts = [
        part.text
        for message in request.messages
        if message.role == "user"
        for part in message.parts
        if part.kind is PartKind.TEXT
    ]
    return f" (request {_short(repr(texts[-1][:200]), limit=80)})" if texts else ""


def _why(failure: Failure) -> str:
    return f"{failure.kind} ({failure.detail[:120]})" if failure.detail else str(failure.kind)


def _short(text: str, *, limit: int = 120) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
