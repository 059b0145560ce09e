"""Tool calls: the calls an answer makes are the expected ones, compared as structures.

Expected: one call or a list of calls, each `{"name": …, "arguments": {…}}`, OpenAI's `{"function": {…}}` or `{"name of the
tool": {arguments}}`; `[]` means that no tool should be called. Every call must be there and no other; their order does not
matter unless `ordered`. Arguments: numbers numerically, texts normalised, `any_order` for lists, kinds not mixed. An
argument that is optional by the tool's schema may be missing on one side where the other gives `null` or the schema's
default (named in `default`, or in words in its description); `optional = "ignore"` lets it be missing always.

A call written as text is not a call: the application would get none. `text = true` reads it all the same.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

from fairlead.core.grade.reading import json_value, loads, unfenced
from fairlead.core.grade.rule import RIGHT, Case, Rule, shown, wrong
from fairlead.core.grade.same import Likeness
from fairlead.core.grade.settings import Settings
from fairlead.core.nouns import JSON, Answer, Grade, Tool, ToolCall

# More calls than this in one answer are a runaway, not an answer.
CALLS = 200
CALL_TEXT = 20_000
_ARGUMENTS = ("arguments", "args", "parameters", "input")
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_DEFAULT = re.compile(
    r"\bdefault(?:s)?(?: value)?(?: to| is|:|=)?\s*(?:\"([^\"]{0,60})\"|'([^']{0,60})'|([-\w][-\w.]{0,40}))",
    re.IGNORECASE,
)
_CALL_FENCE = re.compile(r"```[^\n`]*\n(.{1,20000}?)```", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallRule(Rule):
    """Compares tool calls."""

    name: ClassVar[str] = "tool_call"
    is_quick: ClassVar[bool] = False
    says: ClassVar[str] = (
        "The answer makes exactly the expected tool calls: names and arguments, compared as structures."
    )
    settings_help: ClassVar[dict[str, str]] = {
        "ordered": "whether the calls must be in the expected order (default false)",
        "any_order": "whether lists inside arguments may be in any order (default false)",
        "optional": "default (an optional argument may be missing where the other side gives its default) or ignore (always)",
        "score": "all (default: every call must be right) or share (of the calls that are right)",
        "ignore_case": "whether capitals and small letters are equal in arguments (default false)",
        "tolerance": "largest absolute difference between numbers that still counts as equal (default 0)",
        "text": "whether a call written as text counts as a call (default false)",
    }

    ordered: bool = False
    any_order: bool = False
    optional: str = "default"
    score: str = "all"
    ignore_case: bool = False
    tolerance: float = 0.0
    text: bool = False

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """The grader with these settings."""
        return cls(
            ordered=settings.flag("ordered", default=False),
            any_order=settings.flag("any_order", default=False),
            optional=settings.pick("optional", among=("default", "ignore"), default="default"),
            score=settings.pick("score", among=("all", "share"), default="all"),
            ignore_case=settings.flag("ignore_case", default=False),
            tolerance=settings.amount("tolerance", default=0.0),
            text=settings.flag("text", default=False),
        )

    def problem(self, expected: JSON) -> str | None:
        """What is wrong with this expected answer, if anything."""
        if expected_calls(expected) is None:
            return f'the expected answer {shown(expected)} is no tool call; give {{"name": …, "arguments": {{…}}}}, a list of such, or [].'
        return None

    def compare(self, case: Case) -> Grade:
        """1 when the calls are the expected ones."""
        return self.calls(case.request.tools, case.answer, expected_calls(case.expected) or ())

    def calls(self, tools: Sequence[Tool], answer: Answer, wanted: Sequence[ToolCall]) -> Grade:
        """Grade the calls of an answer against the calls wanted."""
        found = answer.tool_calls or ((calls_in(answer.text) or ()) if self.text else ())
        if len(found) > CALLS:
            return wrong(f"{len(found)} tool calls")
        if not found and wanted:
            as_text = not self.text and calls_in(answer.text) is not None
            return wrong("the call is written as text, not made as a tool call" if as_text else "no tool call")
        right, reason = self._matched({tool.name: tool for tool in tools}, found, wanted)
        if right == len(found) == len(wanted):
            return RIGHT
        share = right / max(len(found), len(wanted)) if self.score == "share" else 0.0
        return Grade(score=share, reason=reason or f"{len(found)} tool calls, not {len(wanted)}")

    def _matched(
        self, tools: Mapping[str, Tool], found: Sequence[ToolCall], wanted: Sequence[ToolCall]
    ) -> tuple[int, str]:
        """How many wanted calls were made, and why the first missing one does not count."""
        if self.ordered:
            reasons = [self._differs(tools, a, b) for a, b in zip(found, wanted, strict=False)]
            return reasons.count(""), next(filter(None, reasons), "")
        left, right, first = list(found), 0, ""
        for call in wanted:
            reasons = [self._differs(tools, other, call) for other in left]
            if "" in reasons:
                del left[reasons.index("")]
                right += 1
            elif not first:
                first = min(reasons, key=lambda reason: reason.startswith("calls "), default="")
        return right, first

    def _differs(self, tools: Mapping[str, Tool], found: ToolCall, wanted: ToolCall) -> str:
        """Why `found` is not the wanted call; empty when it is."""
        if _plain_name(found.name) != _plain_name(wanted.name):
            return f"calls {shown(found.name)}, not {shown(wanted.name)}"
        given, asked = _arguments(found.arguments), _arguments(wanted.arguments)
        if given is None or asked is None:
            return f"{wanted.name}: the arguments are not a JSON object"
        like = Likeness(ignore_case=self.ignore_case, tolerance=self.tolerance, any_order=self.any_order)
        tool = tools.get(found.name) or tools.get(_plain_name(found.name))
        for name in dict.fromkeys([*asked, *given]):
            if name in given and name in asked:
                if not like.same(given[name], asked[name]):
                    return f"{wanted.name}.{name}: {shown(given[name])}, not {shown(asked[name])}"
            elif not self._may_miss(tool, name, given.get(name, asked.get(name)), like):
                return f"{wanted.name}.{name}: " + (
                    "missing" if name in asked else f"{shown(given[name])} is not expected"
                )
        return ""

    def _may_miss(self, tool: Tool | None, name: str, value: JSON, like: Likeness) -> bool:
        """Whether an argument that only one side gives, with this value, may be missing on the other."""
        if tool is None or not _is_optional(tool, name):
            return False
        return (
            self.optional == "ignore"
            or value is None
            or any(like.same(value, default) for default in _defaults(tool, name))
        )


def expected_calls(expected: JSON) -> tuple[ToolCall, ...] | None:
    """The calls an expected answer means, or `None` when it means none of the accepted forms."""
    if isinstance(expected, str):
        return calls_in(expected)
    return _calls(expected)


def calls_in(text: str) -> tuple[ToolCall, ...] | None:
    """The tool calls written in a text as JSON, in `<tool_call>` tags or as Python calls (parsed, never run); `None` if none.

    >>> calls_in("[area(base=3, height=4)]")
    (ToolCall(name='area', arguments={'base': 3, 'height': 4}, call_id=None),)
    """
    if len(text) > 10 * CALL_TEXT:
        return None
    tagged = [_call(value) for inside in _tagged(text) if (value := loads(inside.strip())) is not None]
    if tagged:
        known = tuple(call for call in tagged if call is not None)
        return known if len(known) == len(tagged) else None
    value = json_value(text)
    return (_calls(value) if value else None) or _python_calls(text)


def _tagged(text: str) -> Iterator[str]:
    """What stands between each pair of `<tool_call>` tags."""
    start = text.find(_OPEN)
    while start >= 0 and (end := text.find(_CLOSE, start)) >= 0:
        yield text[start + len(_OPEN) : end]
        start = text.find(_OPEN, end)


def _calls(value: JSON) -> tuple[ToolCall, ...] | None:
    """One call, a list of calls, or a message that carries them under `tool_calls`."""
    if isinstance(value, dict) and isinstance(message := value.get("message"), dict):
        value = message
    if isinstance(value, dict) and isinstance(listed := value.get("tool_calls"), list):
        value = listed
    calls = [_call(item) for item in (value if isinstance(value, list) else [value])]
    known = tuple(call for call in calls if call is not None)
    return known if len(known) == len(calls) else None


def _call(value: JSON) -> ToolCall | None:
    if not isinstance(value, dict):
        return None
    inner = value.get("function")
    if isinstance(inner, dict):
        value = inner
    elif isinstance(inner, str) and "name" not in value:
        value = {**value, "name": inner}
    name = value.get("name")
    if isinstance(name, str):
        arguments = next((value[key] for key in _ARGUMENTS if key in value), None)
        return ToolCall(name=name, arguments=_parsed(arguments)) if _arguments(arguments) is not None else None
    if len(value) == 1:
        name, arguments = next(iter(value.items()))
        return ToolCall(name=name, arguments=_parsed(arguments)) if _arguments(arguments) is not None else None
    return None


def _parsed(arguments: JSON) -> JSON:
    return loads(arguments) if isinstance(arguments, str) and arguments.strip() else arguments or {}


def _arguments(arguments: JSON) -> dict[str, JSON] | None:
    """Arguments as an object: none at all is an empty one, a string is parsed."""
    if arguments is None or arguments == "":
        return {}
    value = loads(arguments) if isinstance(arguments, str) else arguments
    return value if isinstance(value, dict) else None


def _plain_name(name: str) -> str:
    # OpenAI's protocol allows no dots in names, so the same tool is `math.gcd` in one log and `math_gcd` in another.
    return name.replace(".", "_")


def _is_optional(tool: Tool, name: str) -> bool:
    """Whether the tool's schema knows the argument and does not require it."""
    properties, required = tool.parameters.get("properties"), tool.parameters.get("required")
    known = isinstance(properties, dict) and name in properties
    return known and not (isinstance(required, list) and name in required)


def _defaults(tool: Tool, name: str) -> Iterator[JSON]:
    properties = tool.parameters.get("properties")
    schema = properties.get(name) if isinstance(properties, dict) else None
    if not isinstance(schema, dict):
        return
    if "default" in schema:
        yield schema["default"]
    elif isinstance(description := schema.get("description"), str):
        yield from _default_in_words(description)


@lru_cache(maxsize=4096)
def _default_in_words(description: str) -> tuple[JSON, ...]:
    """The default a description states ("Default is 10."), as text and, where it is one, as the JSON value."""
    stated = _DEFAULT.search(description[:2_000])
    if stated is None:
        return ()
    text = next(group for group in stated.groups() if group is not None).rstrip(".")
    value = loads(text.lower() if text in {"True", "False"} else text)
    return (text,) if value is None else (text, value)


def _python_calls(text: str) -> tuple[ToolCall, ...] | None:
    """Calls written as Python: `f(x=1)` or `[f(x=1), g.h(y="a")]`, in a code fence or bare. Read as syntax, never run."""
    fenced = _CALL_FENCE.search(text)
    text = (fenced[1] if fenced else unfenced(text)).strip()
    if not text.endswith((")", "]")) or len(text) > CALL_TEXT or _depth(text) > 40:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text, mode="eval").body
        nodes = body.elts if isinstance(body, ast.List | ast.Tuple) else [body]
        calls = [_python_call(node) for node in nodes]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    known = tuple(call for call in calls if call is not None)
    return known if known and len(known) == len(calls) else None


def _python_call(node: ast.expr) -> ToolCall | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
        return None
    arguments: dict[str, JSON] = {str(at): _literal(value) for at, value in enumerate(node.args)}
    arguments |= {keyword.arg: _literal(keyword.value) for keyword in node.keywords if keyword.arg is not None}
    return ToolCall(name=ast.unparse(node.func), arguments=arguments)


def _literal(node: ast.expr) -> JSON:
    """A literal as the JSON it would be; anything else as its source."""
    try:
        value = loads(json.dumps(ast.literal_eval(node)))
    except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
        return ast.unparse(node)
    return value


def _depth(text: str) -> int:
    """A bound on how deeply an expression nests, signs and dots included: what a parser would recurse into."""
    deepest = depth = 0
    for char in text:
        depth += 1 if char in "([{" else -1 if char in ")]}" else 0
        deepest = max(deepest, depth)
    runs = max((len(run) for run in re.findall(r"(?:[-+~]\s*|not\s+|lambda\s*:\s*|\.\s*\w{1,3})+", text)), default=0)
    return max(deepest, runs // 4)
