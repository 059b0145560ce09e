"""Spans of the Vercel AI SDK, said in the words of the GenAI conventions, which it uses for the half of them.

A call of a model is a span whose `ai.operationId` ends in `.doGenerate`, `.doStream` or `.doEmbed`; the spans around them
(`ai.generateText`, `ai.embed`) tell the same once more, summed over their steps, and tools' runs are none. Prompts, answers, tools
and settings stand in `ai.*`. `@ai-sdk/otel`, since version 7, writes the conventions alone. (Names, and what the counts hold, are
after vercel/ai `packages/otel/src/legacy-open-telemetry.ts`, and `core/generate-text` and the providers in 4.3 and 5.0.)
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON, Usage
from fairlead.core.wire import anthropic, fields
from fairlead.core.wire.decode import decode, structure_or_text
from fairlead.edge.sources.counts import seconds_of_thousandths, whole_number

_OPERATION = "ai.operationId"
_CHAT = (".doGenerate", ".doStream")
_EMBED = ".doEmbed"
_COUNTS = (
    "ai.usage.inputTokens", "ai.usage.outputTokens", "ai.usage.promptTokens", "ai.usage.completionTokens",
)  # fmt: skip
_SETTINGS: Mapping[str, str] = {
    "ai.settings.temperature": "gen_ai.request.temperature",
    "ai.settings.topP": "gen_ai.request.top_p",
    "ai.settings.topK": "gen_ai.request.top_k",
    "ai.settings.maxOutputTokens": "gen_ai.request.max_tokens",
    "ai.settings.maxTokens": "gen_ai.request.max_tokens",
    "ai.settings.stopSequences": "gen_ai.request.stop_sequences",
    "ai.settings.seed": "gen_ai.request.seed",
    "ai.settings.frequencyPenalty": "gen_ai.request.frequency_penalty",
    "ai.settings.presencePenalty": "gen_ai.request.presence_penalty",
}
_SESSIONS = ("sessionId", "session_id", "session.id", "conversationId", "chatId", "threadId")
_USERS = ("userId", "user_id", "user.id")


def is_of_ai_sdk(held: Mapping[str, JSON]) -> bool:
    """Whether a span is one of the SDK's own."""
    return _OPERATION in held


def in_conventions(held: dict[str, JSON]) -> dict[str, JSON]:
    """Return the attributes with what they say in `ai.*` said as the conventions do, where they do not say it so already."""
    operation = held.get(_OPERATION)
    if not isinstance(operation, str):
        return {**held, "embedding.embeddings": _texts(held)} if "ai.values" in held else held
    if operation.endswith(_CHAT):
        said = _chat(held, operation)
    elif operation.endswith(_EMBED):
        said = {"gen_ai.operation.name": "embeddings", "embedding.embeddings": _texts(held)}
        said["gen_ai.usage.input_tokens"] = held.get("ai.usage.tokens")
    else:
        return {**held, "gen_ai.operation.name": operation}
    said |= {
        "gen_ai.request.model": held.get("ai.model.id"),
        "gen_ai.response.model": held.get("ai.response.model"),
        "session.id": _told(held, _SESSIONS),
        "user.id": _told(held, _USERS),
        "gen_ai.agent.name": held.get("ai.telemetry.functionId"),
    }
    given = {**{name: value for name, value in said.items() if value is not None}, **held}
    return {**given, "gen_ai.provider.name": _provider(held), "gen_ai.system": None, **_finished(held)}


def _chat(held: Mapping[str, JSON], operation: str) -> dict[str, JSON]:
    first = held.get("ai.response.msToFirstChunk") or held.get("ai.stream.msToFirstChunk")
    is_object = operation.startswith(("ai.generateObject", "ai.streamObject"))
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": held.get("ai.prompt.messages"),
        "gen_ai.output.messages": _answer(held),
        "gen_ai.tool.definitions": held.get("ai.prompt.tools"),
        "gen_ai.output.type": "json" if is_object else None,
        "gen_ai.request.stream": operation.endswith(".doStream") or None,
        "gen_ai.response.time_to_first_chunk": seconds_of_thousandths(first),
        **{name: held[key] for key, name in _SETTINGS.items() if held.get(key) is not None},
    }


def _finished(held: Mapping[str, JSON]) -> dict[str, JSON]:
    """Why the answer ended, in the words of a chat completion (`tool-calls` is `tool_calls`)."""
    reason = held.get("ai.response.finishReason")
    return {"gen_ai.response.finish_reasons": [reason.replace("-", "_")]} if isinstance(reason, str) else {}


def _answer(held: Mapping[str, JSON]) -> JSON:
    """The answer as one message; `None` where it was not recorded."""
    calls = fields.list_or_empty(structure_or_text(held.get("ai.response.toolCalls")))
    said = fields.text_or_none(held.get("ai.response.text")) or held.get("ai.response.object")
    message: dict[str, JSON] = {
        "role": "assistant",
        "content": said if isinstance(said, str) else None,
        "reasoning_content": held.get("ai.response.reasoning"),
        "tool_calls": [call for call in calls if isinstance(call, dict)],
    }
    return [message] if any(message[name] for name in ("content", "reasoning_content", "tool_calls")) else None


def _texts(held: Mapping[str, JSON]) -> JSON:
    """The texts that were embedded, each of which stands there as JSON."""
    listed = structure_or_text(held.get("ai.values"))
    texts = [_unquoted(item) for item in fields.list_or_empty(listed) if isinstance(item, str)]
    return [{"embedding": {"text": text}} for text in texts] or None


def _unquoted(text: str) -> str:
    """A text that stands there as JSON; any other as it is."""
    try:
        value = decode(text.encode("utf-8", "replace")) if text.startswith('"') else text
    except UnreadableLine:
        return text
    return value if isinstance(value, str) else text


def tool_choice(held: Mapping[str, JSON]) -> JSON:
    """Return which tool was to be called, as a chat body says it; `None` where the model was to choose."""
    given = fields.mapping_or_empty(structure_or_text(held.get("ai.prompt.toolChoice")))
    kind, name = given.get("type"), given.get("toolName")
    if kind == "tool" and isinstance(name, str):
        return {"type": "function", "function": {"name": name}}
    return kind if fields.is_one_of(kind, {"none", "required"}) else None


def _told(held: Mapping[str, JSON], names: tuple[str, ...]) -> str | None:
    """What the application said about the call, under any of some names."""
    keys = (f"ai.{where}.{name}" for name in names for where in ("telemetry.metadata", "settings.context"))
    return next((found for key in keys if (found := fields.label(held.get(key)))), None)


def _provider(held: Mapping[str, JSON]) -> JSON:
    """Who sold the answer: the SDK names a provider with the way it is asked (`openai.responses`, `google.vertex.chat`)."""
    named = held.get("gen_ai.provider.name") or held.get("ai.model.provider") or held.get("gen_ai.system")
    if not isinstance(named, str):
        return None
    word = named.lower()
    if word == "gateway":  # Vercel's own, where the model's name begins with the provider's
        return None
    if "anthropic" in word:
        return "anthropic"
    head = word.partition(".")[0]
    return {"azure-openai": "azure", "vertex": "google", "amazon-bedrock": "bedrock"}.get(head, head)


def usage(held: Mapping[str, JSON]) -> Usage | None:
    """Return the disjoint counts of a span of the SDK; `None` where it is none or counts nothing.

    Since version 6 what was neither read from nor written to a cache is told. Before, the input was what the provider
    calls so: without cached tokens for Anthropic and Bedrock, whose own counts stand in the metadata, with them for others.
    """
    given, made, older, oldest = (_first(held, name) for name in _COUNTS)
    given, made = (older if given is None else given), (oldest if made is None else made)
    if not is_of_ai_sdk(held) or (given is None and made is None):
        return None
    metadata = fields.mapping_or_empty(structure_or_text(held.get("ai.response.providerMetadata")))
    thought = _first(held, "ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens")
    thought = _first(fields.mapping_or_empty(metadata.get("openai")), "reasoningTokens") if thought is None else thought
    visible, thought = _output(given, made, thought, _first(held, "ai.usage.totalTokens"))
    fresh, read, written = (_first(held, f"ai.usage.inputTokenDetails.{name}") for name in _DETAILS)
    own = _anthropic(metadata)
    if fresh is not None:
        found = Usage(fresh=fresh, cache_read=read, cache_write_5m=written)
    elif own is not None:
        found = own
    else:
        found = _input(given, _first(held, "ai.usage.cachedInputTokens"), metadata)
    kept = own.cache_write_1h if own is not None else None
    short = found.cache_write_5m
    if kept and found is not own:  # only Anthropic's own counts tell how long what was written is kept
        short = None if short is None or short < kept else short - kept
    return Usage(
        fresh=found.fresh, cache_read=found.cache_read, cache_write_5m=short, cache_write_1h=kept,
        visible=visible, reasoning=thought,
    )  # fmt: skip


_DETAILS = ("noCacheTokens", "cacheReadTokens", "cacheWriteTokens")


def _anthropic(metadata: Mapping[str, JSON]) -> Usage | None:
    raw = fields.mapping_or_empty(metadata.get("anthropic")).get("usage")
    found = anthropic.usage(raw) if isinstance(raw, dict) else Usage()
    return found if found.fresh is not None else None


def _input(given: int | None, read: int | None, metadata: Mapping[str, JSON]) -> Usage:
    """The input by what providers told of caches before version 6."""
    for name in ("anthropic", "bedrock"):
        told = fields.mapping_or_empty(metadata.get(name))
        told = {**told, **fields.mapping_or_empty(told.get("usage"))}
        wrote = _first(told, "cacheCreationInputTokens", "cacheWriteInputTokens")
        seen = _first(told, "cacheReadInputTokens")
        if told and (wrote is not None or seen is not None):
            return Usage(fresh=given, cache_read=read if seen is None else seen, cache_write_5m=wrote)
    read = _first(fields.mapping_or_empty(metadata.get("openai")), "cachedPromptTokens") if read is None else read
    fresh = given if given is None or read is None or read > given else given - read
    return Usage(fresh=fresh, cache_read=read)


def _first(told: Mapping[str, JSON], *names: str) -> int | None:
    return next((found for name in names if (found := whole_number(told.get(name))) is not None), None)


def _output(
    given: int | None, made: int | None, thought: int | None, total: int | None
) -> tuple[int | None, int | None]:
    """What was shown and what was thought: Google's thoughts are beside the output in version 5, as the total tells."""
    if made is None or not thought:
        return made, thought
    if thought > made or (total is not None and given is not None and total == given + made + thought):
        return made, thought
    return made - thought, thought
