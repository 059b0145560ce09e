"""Mixed traffic of several applications, for tests and benchmarks: who made each request is known, and hidden in it.

Prompts carry names, dates and retrieved text; two jobs differ only in their tools; some prompts go through three
versions; agents take many steps; a share of the calls is noise. The order is shuffled, times are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from core.workload.traffic_fill import ADJ, FIRST, NOUN, Fill
from fairlead.core.nouns import Answer, Endpoint, Message, Part, PartKind, Request, Tool, ToolCall

START = datetime(2026, 8, 1, tzinfo=UTC)
_FIELD = re.compile(r"\{(\w+)\}")
_LANGUAGES = ["Thai", "Vietnamese", "Arabic"]


@dataclass
class Spec:
    key: str
    category: str
    share: int
    system: str = ""
    user: str = ""
    answer: Callable[[Fill], str | ToolCall] | None = None
    versions: list[str] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    schema: dict | None = None
    json_mode: bool = False
    media: Callable[[str], Part] | None = None
    steps: int = 0
    turns: int = 0
    endpoint: str = "chat"
    model: str = "gpt-4o"


@dataclass(frozen=True)
class Sent:
    """One request of the generated log with its hidden truth."""

    key: str
    category: str
    request: Request
    answer: Answer
    at: datetime


def tool(name: str, /, *fields: str) -> Tool:
    return Tool(
        name=name,
        description=f"{name} tool",
        parameters={"type": "object", "properties": {f: {"type": "string"} for f in fields}},
    )


def schema(*fields: str) -> dict:
    return {"type": "object", "properties": {f: {"type": "string"} for f in fields}, "required": list(fields)}


def call(name: str, /, **arguments) -> ToolCall:
    return ToolCall(name=name, arguments=arguments, call_id="call_1")


def img(code: str) -> Part:
    return Part(kind=PartKind.IMAGE, text=f"data:image/png;base64,{code}", media_type="image/png")


def pdf(code: str) -> Part:
    return Part(kind=PartKind.DOCUMENT, text=f"data:application/pdf;base64,{code}", media_type="application/pdf")


def filled(template: str, fill: Fill) -> str:
    def value(match: re.Match[str]) -> str:
        what = match[1]
        if what in ("vi", "th", "ar", "sw", "hi", "de"):
            return fill.words(what)
        own = {
            "noun": lambda: fill.pick(NOUN), "adjective": lambda: fill.pick(ADJ), "first": lambda: fill.pick(FIRST),
            "language": lambda: fill.pick(_LANGUAGES), "digit": lambda: str(fill.random.randint(0, 9)),
            "pick_home": lambda: fill.pick(["turn on", "switch off", "dim", "brighten"]) + " the " + fill.pick(["kitchen", "hall", "porch", "bedroom"]) + " " + fill.pick(["lamp", "light", "fan", "heater"]),
            "pick_decision": lambda: fill.pick(["approved", "declined", "partly approved"]),
        }  # fmt: skip
        return str((own.get(what) or getattr(fill, what))())

    return _FIELD.sub(value, template)


def exchanges(spec: Spec, fill: Fill, moment: float, at: datetime) -> Iterator[Sent]:
    """The requests of one use of the template: one, a chat's turns, or an agent's steps."""
    system = (
        spec.versions[min(int(moment * len(spec.versions)), len(spec.versions) - 1)] if spec.versions else spec.system
    )
    system, user = filled(system, fill), filled(spec.user, fill)
    if spec.endpoint == "embeddings":
        request = Request(endpoint=Endpoint.EMBEDDINGS, model=spec.model, inputs=(user,))
        yield Sent(spec.key, spec.category, request, Answer(embeddings=1), at)
        return
    parts = [Part(kind=PartKind.TEXT, text=user)] + ([spec.media(fill.code())] if spec.media else [])
    messages = [Message(role="user", parts=tuple(parts))]
    rounds = (
        fill.random.randint(max(1, spec.steps // 2), spec.steps)
        if spec.steps
        else fill.random.randint(1, spec.turns or 1)
    )
    for number in range(rounds):
        last = number == rounds - 1
        answer = _answer(spec, fill, last=last)
        request = Request(
            endpoint=Endpoint.CHAT, model=spec.model, system=system, messages=tuple(messages), tools=tuple(fill.random.sample(spec.tools, len(spec.tools))),
            schema=spec.schema, json_mode=spec.json_mode or spec.schema is not None,
        )  # fmt: skip
        yield Sent(spec.key, spec.category, request, answer, at + timedelta(seconds=20 * number))
        messages += _turn(spec, fill, answer, number)


def _answer(spec: Spec, fill: Fill, *, last: bool) -> Answer:
    if spec.steps and not last:
        used = fill.pick(spec.tools)
        arguments = {name: fill.pick(NOUN) for name in used.parameters["properties"]}
        return Answer(text="", tool_calls=(ToolCall(name=used.name, arguments=arguments, call_id="c"),))
    made = spec.answer(fill)
    return Answer(tool_calls=(made,)) if isinstance(made, ToolCall) else Answer(text=made)


def _turn(spec: Spec, fill: Fill, answer: Answer, number: int) -> list[Message]:
    if spec.steps and answer.tool_calls:
        made = answer.tool_calls[0]
        asked = Part(kind=PartKind.TOOL_CALL, call_id=f"c{number}", name=made.name, arguments=made.arguments)
        result = Part(kind=PartKind.TOOL_RESULT, call_id=f"c{number}", text=json.dumps({"result": fill.text(1, 3)}))
        return [Message(role="assistant", parts=(asked,)), Message(role="tool", parts=(result,))]
    said = Part(kind=PartKind.TEXT, text=answer.text)
    return [
        Message(role="assistant", parts=(said,)),
        Message(role="user", parts=(Part(kind=PartKind.TEXT, text=fill.chatter()),)),
    ]


def noise(fill: Fill, at: datetime) -> Sent:
    """A prompt that nobody sends twice."""
    system = "" if fill.random.random() < 0.5 else fill.text(1, 3)
    message = Message(role="user", parts=(Part(kind=PartKind.TEXT, text=fill.text(1, 4)),))
    return Sent(
        "noise",
        "writing",
        Request(endpoint=Endpoint.CHAT, model="gpt-4o", system=system, messages=(message,)),
        Answer(text=fill.text(1, 3)),
        at,
    )


def traffic(
    specs: list[Spec], *, size: int, seed: int = 7, noise_share: float = 0.03, shuffled: bool = True
) -> list[Sent]:
    """About `size` requests over ninety days, in random order unless told otherwise."""
    random = Random(seed)
    fill = Fill(random)
    weights = [spec.share for spec in specs]
    log: list[Sent] = []
    while len(log) < size:
        moment = random.random()
        at = START + timedelta(days=90 * moment)
        if random.random() < noise_share:
            log.append(noise(fill, at))
            continue
        (spec,) = random.choices(specs, weights)
        if spec.steps and random.random() > 3 / spec.steps:
            continue  # an agent's run is many calls: keep its share of the log near the share asked for
        log.extend(exchanges(spec, fill, moment, at))
    random.shuffle(log) if shuffled else log.sort(key=lambda sent: sent.at)
    return log[:size]
