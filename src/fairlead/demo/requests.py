"""Tasks as the bodies an application sends, in either provider's words."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from random import Random
from typing import Any

from fairlead.demo.jobs.task import Job, Step, Task

LETTERS = bytes.maketrans(b"-_+/=01lIO", b"abcdefghij")


def token(rng: Random, length: int = 24) -> str:
    """Letters and figures without a meaning."""
    return base64.b64encode(rng.randbytes(length)).translate(LETTERS).decode()[:length]


def body_of(job: Job, task: Task, rng: Random) -> dict[str, Any]:
    """The body that asks for this task."""
    return anthropic_body(job, task, rng) if job.dialect == "anthropic" else openai_body(job, task)


def openai_body(job: Job, task: Task) -> dict[str, Any]:
    """A chat completions body."""
    content: Any = task.user
    if task.image:
        address = "data:image/png;base64," + base64.b64encode(task.image).decode()
        content = [{"type": "text", "text": task.user}, {"type": "image_url", "image_url": {"url": address}}]
    messages = [{"role": "system", "content": task.system}, {"role": "user", "content": content}]
    body: dict[str, Any] = {"model": job.model, "messages": messages, **job.parameters}
    if job.tools:
        body["tools"] = [{"type": "function", "function": dict(each)} for each in job.tools]
    if job.schema:
        described = {"name": "fields", "strict": True, "schema": job.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    return body


def anthropic_body(job: Job, task: Task, rng: Random) -> dict[str, Any]:
    """A Messages body; a system prompt with a cached part is sent in two blocks."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": task.user}]
    for step in task.steps:
        messages += turns_of(step, "toolu_" + token(rng))
    body: dict[str, Any] = {"model": job.model, **job.parameters, "system": system_of(job, task), "messages": messages}
    if job.tools:
        body["tools"] = [anthropic_tool(each) for each in job.tools]
    return body


def system_of(job: Job, task: Task) -> Any:
    """The system prompt as text, or as a cached and a fresh block."""
    if not job.cached_share:
        return task.system
    cut = job.prefix(task.system)
    marked = {"type": "text", "text": task.system[:cut], "cache_control": {"type": "ephemeral"}}
    return [marked, {"type": "text", "text": task.system[cut:].strip()}]


def turns_of(step: Step, call_id: str) -> list[dict[str, Any]]:
    """A round of an agent as the two turns it makes."""
    call = {"type": "tool_use", "id": call_id, "name": step.tool, "input": dict(step.arguments)}
    result = {"type": "tool_result", "tool_use_id": call_id, "content": step.result}
    return [
        {"role": "assistant", "content": [{"type": "text", "text": step.said}, call]},
        {"role": "user", "content": [result]},
    ]


def anthropic_tool(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A tool in Anthropic's words."""
    return {"name": raw["name"], "description": raw["description"], "input_schema": raw["parameters"]}


def cached_tokens(job: Job, task: Task) -> int:
    """Tokens a provider finds in its cache when it has seen the fixed part of a prompt before: whole blocks of 128."""
    fixed = len(task.system[: job.prefix(task.system)].encode()) + len(json.dumps([*job.tools, job.schema]))
    tokens = fixed // 4
    return tokens // 128 * 128 if tokens >= 1_024 else 0
