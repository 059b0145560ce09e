"""A log to scan: lines of about five kilobytes from 76 templates of several applications, each line unlike any other.

The templates and their variable parts are those the grouping is measured with; here each has a page of house rules behind
its prompt, as prompts in production have, with a name and a date in it, and retrieved text in front of what the user says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import msgspec

from core.workload.traffic import START, Sent, Spec, exchanges
from core.workload.traffic_fill import ADJ, NOUN, TAIL, Fill
from core.workload.traffic_heldout import SPECS as HELD_OUT
from core.workload.traffic_seen import SPECS as SEEN
from fairlead.core.nouns import Endpoint, Message, Part, PartKind, Request
from fairlead.core.wire.openai import body_of

SPECS = [*SEEN, *HELD_OUT]
DAYS = 30
RULES = 28
CONTEXT = 9
ORDERS = [
    "Always mention",
    "Never mention",
    "Do not promise",
    "Answer only about",
    "Write down",
    "Return",
    "Use",
    "Explain",
    "Keep",
]


def house_rules(spec: Spec) -> list[str]:
    """A page of fixed rules that stands behind one template's prompt."""
    fill = Fill(Random(f"rules of {spec.key}"))
    return [
        f"- {fill.pick(ORDERS)} the {fill.pick(ADJ)} {fill.pick(NOUN)} {fill.pick(TAIL)}. {fill.pick(ORDERS)} the {fill.pick(NOUN)}."
        for _ in range(RULES)
    ]


def lines(size: int, *, seed: int = 11) -> Iterator[bytes]:
    """Lines of a log of `size` bytes, in order of time."""
    random = Random(seed)
    fill = Fill(random)
    rules = {spec.key: house_rules(spec) for spec in SPECS}
    weights = [spec.share for spec in SPECS]
    expected = max(1, size // 5_000)
    written = number = 0
    while written < size:
        (spec,) = random.choices(SPECS, weights)
        moment = min(1.0, number / expected)
        for sent in exchanges(spec, fill, moment, START + timedelta(days=DAYS * moment)):
            number += 1
            line = msgspec.json.encode(row(sent, rules[spec.key], fill, number)) + b"\n"
            written += len(line)
            yield line


def row(sent: Sent, rules: list[str], fill: Fill, number: int) -> dict[str, object]:
    """One line: the bodies as OpenAI writes them, and what stands around them."""
    request = sent.request if sent.request.endpoint is Endpoint.EMBEDDINGS else longer(sent.request, rules, fill)
    body = body_of(request, model=request.model)
    tokens = len(msgspec.json.encode(body)) // 4
    model = request.model if request.endpoint is Endpoint.EMBEDDINGS else f"{request.model}-2024-08-06"
    answer: dict[str, object] = {"id": f"chatcmpl-{number:010x}", "object": "chat.completion", "model": model, "created": int(sent.at.timestamp())}  # fmt: skip
    if request.endpoint is Endpoint.EMBEDDINGS:
        answer |= {"object": "list", "data": [{"embedding": [0.25] * 64, "index": 0}], "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}  # fmt: skip
    else:
        calls = [
            {"id": f"call_{number:x}", "type": "function", "function": {"name": call.name, "arguments": msgspec.json.encode(call.arguments).decode()}}
            for call in sent.answer.tool_calls
        ]  # fmt: skip
        said = {"role": "assistant", "content": sent.answer.text or None, **({"tool_calls": calls} if calls else {})}
        out = 20 + len(sent.answer.text) // 4
        answer["choices"] = [{"index": 0, "message": said, "finish_reason": "tool_calls" if calls else "stop"}]
        answer["usage"] = {
            "prompt_tokens": tokens, "completion_tokens": out, "total_tokens": tokens + out,
            "prompt_tokens_details": {"cached_tokens": tokens // 2 if number % 3 else 0}, "completion_tokens_details": {"reasoning_tokens": 0},
        }  # fmt: skip
    return {
        "id": f"req-{number:010d}",
        "started_at": sent.at.isoformat(),
        "latency_s": round(0.4 + fill.random.random() * 3, 3),
        "request": body,
        "response": answer,
        "metadata": {
            "session_id": f"s-{number // 4:x}",
            "user_id": f"u-{fill.random.randint(1, 5000)}",
            "app": "orbit",
        },
    }


def longer(request: Request, rules: list[str], fill: Fill) -> Request:
    """The same request as production would send it: rules behind the prompt, retrieved text before the first message."""
    signed_in = f"Date: {fill.date()}\nSigned in: {fill.name()}, {fill.company()}"
    system = "\n".join([request.system, *rules, signed_in]) if request.system else ""
    first, *rest = request.messages
    found = "\n".join(fill.text(2, 4) for _ in range(CONTEXT))
    context = Part(kind=PartKind.TEXT, text=f"<context>\n{found}\n</context>")
    opened = Message(role=first.role, parts=(context, *first.parts)) if request.system else first
    return Request(
        endpoint=request.endpoint, model=request.model, system=system, messages=(opened, *rest), tools=request.tools,
        schema=request.schema, json_mode=request.json_mode,
    )  # fmt: skip


def write(path: Path, size: int) -> int:
    """Write a log of about `size` bytes; how many lines it has."""
    number = 0
    with path.open("wb") as file:
        for line in lines(size):
            file.write(line)
            number += 1
    return number
