"""Items as a Responses object, whole or in events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.core.nouns import JSON, Usage
from fairlead.core.wire import fields
from fairlead.core.wire.decode import structure_or_text
from fairlead.core.wire.translate.ask_response import CUSTOM_INPUT
from fairlead.core.wire.translate.blocks import Block, Blocks, gathered
from fairlead.core.wire.translate.errors import Fault
from fairlead.core.wire.translate.pieces import Finish, Head, Item, Kind, Piece, Used
from fairlead.core.wire.translate.write import (
    Asked,
    input_tokens,
    named_event,
    note_unknown,
    output_tokens,
    written_tokens,
)

_ECHOED: Mapping[str, JSON] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, and what stands there where the request said nothing."""

_INCOMPLETE: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


def whole(items: Iterable[Item], asked: Asked) -> dict[str, JSON]:
    """Return a whole response made of `items`."""
    head, finish, usage = Head(), Finish(reason="stop"), Usage()
    pieces: list[Piece] = []
    for item in items:
        match item:
            case Head():
                head = item
            case Piece():
                pieces.append(item)
            case Finish():
                finish = item
            case Used():
                usage = item.usage
            case _:
                pass
    blocks = gathered(pieces)
    return _done(_response(head, asked), blocks, finish, usage, asked)


def _response(head: Head, asked: Asked) -> dict[str, JSON]:
    text, reasoning = (fields.mapping_or_empty(asked.body.get(name)) for name in ("text", "reasoning"))
    echoed = {name: default if asked.body.get(name) is None else asked.body[name] for name, default in _ECHOED.items()}
    return {
        "id": f"resp_{asked.name}",
        "object": "response",
        "created_at": asked.now,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        **echoed,
        "model": head.model or asked.model,
        "output": [],
        "previous_response_id": None,
        "reasoning": {"effort": reasoning.get("effort"), "summary": None},
        "store": False,
        "text": {"format": text.get("format") or {"type": "text"}},
        "usage": None,
    }


def _done(
    response: dict[str, JSON], blocks: list[Block], finish: Finish, usage: Usage, asked: Asked
) -> dict[str, JSON]:
    reason = _INCOMPLETE.get(finish.reason)
    response["status"] = "completed" if reason is None else "incomplete"
    response["incomplete_details"] = None if reason is None else {"reason": reason}
    response["output"] = [_item(block, asked, status=str(response["status"])) for block in blocks]
    response["usage"] = usage_json(usage, asked)
    return response


def usage_json(usage: Usage, asked: Asked) -> dict[str, JSON]:
    """Return the counts as the Responses API says them."""
    note_unknown(usage, asked.notes)
    read, written = input_tokens(usage), output_tokens(usage)
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": usage.cache_read or 0, "cache_write_tokens": written_tokens(usage)},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": read + written,
    }


def _item(block: Block, asked: Asked, *, status: str) -> dict[str, JSON]:
    number = f"{asked.name}_{block.number}"
    if block.kind is Kind.CALL:
        return _call(block, asked, status=status)
    if block.kind is Kind.THINKING:
        thought: list[JSON] = [{"type": "reasoning_text", "text": block.text}]
        return {"id": f"rs_{number}", "type": "reasoning", "summary": [], "content": thought}
    message: dict[str, JSON] = {"id": f"msg_{number}", "type": "message", "status": status, "role": "assistant"}
    return {**message, "content": [_part(block, block.text)]}


def _call(block: Block, asked: Asked, *, status: str) -> dict[str, JSON]:
    call_id = block.id or f"call_{asked.name}_{block.number}"
    call: dict[str, JSON] = {"id": f"fc_{asked.name}_{block.number}", "type": "function_call", "status": status}
    call |= {"call_id": call_id, "name": block.name, "arguments": block.text or "{}"}
    if block.name in asked.custom:
        del call["arguments"]
        call |= {"id": f"ctc_{asked.name}_{block.number}", "type": "custom_tool_call", "input": _free_form(block)}
    return call


def _free_form(block: Block) -> str:
    """The text a free-form tool was called with; what the model wrote, where it did not write the function's argument."""
    made = structure_or_text(block.text)
    told = made.get(CUSTOM_INPUT) if isinstance(made, dict) else None
    return told if isinstance(told, str) else block.text


def _part(block: Block, text: str) -> dict[str, JSON]:
    if block.kind is Kind.REFUSAL:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class ResponseWriter:
    """Writes the events of a streamed response."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._blocks = Blocks(self)
        self._response = _response(Head(), asked)
        self._finish = Finish(reason="stop")
        self._usage = Usage()
        self._number = 0

    def head(self, head: Head) -> bytes:
        """Return the events that begin an answer."""
        self._response = _response(head, self._asked)
        return self._event("response.created", response=self._response) + self._event(
            "response.in_progress", response=self._response
        )

    def piece(self, piece: Piece) -> bytes:
        """Return the events of one piece."""
        return self._blocks.take(piece)

    def signed(self, block: dict[str, JSON]) -> bytes:  # noqa: ARG002
        """Return nothing: a response has no place for another provider's signature."""
        self._asked.notes.add("signature of thinking")
        return b""

    def used(self, usage: Usage) -> bytes:
        """Keep the counts for the end."""
        self._usage = usage
        return b""

    def finish(self, finish: Finish) -> bytes:
        """Keep the reason for the end: the counts come after it."""
        self._finish = finish
        return b""

    def end(self) -> bytes:
        """Return the events that close the response."""
        events = self._blocks.finish()
        done = _done(self._response, self._blocks.made, self._finish, self._usage, self._asked)
        return events + self._event(f"response.{done['status']}", response=done)

    def fault(self, fault: Fault) -> bytes:
        """Return the event that breaks the answer off."""
        code = fault.code or ("rate_limit_exceeded" if fault.status == 429 else "server_error")
        error: dict[str, JSON] = {"code": code, "message": fault.message}
        failed: dict[str, JSON] = {**self._response, "status": "failed", "error": error}
        return self._event("response.failed", response=failed)

    def ping(self) -> bytes:
        """Return a comment that keeps a silent connection alive."""
        return b": ping\n\n"

    def opened(self, block: Block) -> bytes:
        """Return the events that open an output item."""
        item = _item(block, self._asked, status="in_progress")
        if block.kind is Kind.CALL:
            item["input" if block.name in self._asked.custom else "arguments"] = ""
        else:
            item["content"] = []
        added = self._event("response.output_item.added", output_index=block.number, item=item)
        if block.kind is Kind.CALL or block.kind is Kind.THINKING:
            return added
        return added + self._of_part("response.content_part.added", block, part=_part(block, ""))

    def extended(self, block: Block, text: str) -> bytes:
        """Return the event that adds to an output item; a free-form call is told whole, when it closes."""
        if block.kind is not Kind.CALL:
            name = {Kind.THINKING: "reasoning_text", Kind.REFUSAL: "refusal"}.get(block.kind, "output_text")
            more: dict[str, JSON] = {"logprobs": []} if name == "output_text" else {}
            return self._of_part(f"response.{name}.delta", block, delta=text, **more)
        if block.name in self._asked.custom:
            return b""
        return self._of_item("response.function_call_arguments.delta", block, delta=text)

    def closed(self, block: Block) -> bytes:
        """Return the events that close an output item."""
        item = _item(block, self._asked, status="completed")
        if block.kind is Kind.CALL:
            told = self._called(block, item)
        elif block.kind is Kind.THINKING:
            told = self._of_part("response.reasoning_text.done", block, text=block.text)
        elif block.kind is Kind.REFUSAL:
            told = self._of_part("response.refusal.done", block, refusal=block.text)
        else:
            told = self._of_part("response.output_text.done", block, text=block.text, logprobs=[])
        if block.kind is Kind.TEXT or block.kind is Kind.REFUSAL:
            told += self._of_part("response.content_part.done", block, part=_part(block, block.text))
        return told + self._event("response.output_item.done", output_index=block.number, item=item)

    def _called(self, block: Block, item: Mapping[str, JSON]) -> bytes:
        if block.name not in self._asked.custom:
            made = item["arguments"]
            return self._of_item("response.function_call_arguments.done", block, arguments=made, name=block.name)
        told = item["input"]
        return self._of_item("response.custom_tool_call_input.delta", block, delta=told) + self._of_item(
            "response.custom_tool_call_input.done", block, input=told
        )

    def _of_part(self, kind: str, block: Block, /, **more: JSON) -> bytes:
        return self._of_item(kind, block, content_index=0, **more)

    def _of_item(self, kind: str, block: Block, /, **more: JSON) -> bytes:
        item_id = _item_id(block, self._asked)
        return self._event(kind, item_id=item_id, output_index=block.number, **more)

    def _event(self, kind: str, /, **more: JSON) -> bytes:
        data: dict[str, JSON] = {"type": kind, "sequence_number": self._number, **more}
        self._number += 1
        return named_event(kind, data)


def _item_id(block: Block, asked: Asked) -> str:
    letters = {Kind.CALL: "ctc" if block.name in asked.custom else "fc", Kind.THINKING: "rs"}.get(block.kind, "msg")
    return f"{letters}_{asked.name}_{block.number}"
