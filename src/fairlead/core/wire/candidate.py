"""The body that asks a candidate what the incumbent was asked, with the candidate's own settings.

Order of precedence, strongest first: the candidate's `parameters`; then the logged parameters, without those it drops
and with those it renames. Whatever was logged and is not sent is named in `omitted`, so that a verdict can say so.

A thinking budget has no agreed field. Fairlead sends `chat_template_kwargs: {"enable_thinking", "thinking_budget"}`,
which vLLM, SGLang and llama.cpp hand to the model's own template and which a template that knows no such word ignores.
An endpoint with a field of its own gets it by `rename = {"thinking_budget": "thinking_token_budget"}`; a dot goes one
level down (`"reasoning.max_tokens"`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast

from fairlead.core.nouns import JSON, Candidate, Endpoint, PartKind, Request
from fairlead.core.wire import fields
from fairlead.core.wire.openai import body_of, is_sendable

DEFAULT_RENAME: Mapping[str, str] = {"max_completion_tokens": "max_tokens"}
"""The older name is the one every OpenAI-compatible server knows."""

VENDOR_ONLY = frozenset(
    {
        "anthropic_beta", "anthropic_version", "api_base", "api_key", "api_version", "audio", "betas", "cache_control",
        "container", "context_management", "data_sources", "diagnostics", "encoding_format", "extra_body",
        "extra_headers", "include", "inference_geo", "mcp_servers", "metadata", "modalities", "moderation", "n",
        "output_config", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
        "reasoning", "reasoning_effort", "safety_identifier", "service_tier", "speed", "store", "stream_options",
        "thinking", "timeout", "user", "user_profile_id", "verbosity", "web_search_options", "workspace_id",
    }
)  # fmt: skip
"""Parameters that mean something to one vendor, or say how an answer travels, or set the incumbent's own thinking."""

CARRIED_LIVE = frozenset(
    {
        "encoding_format", "function_call", "functions", "input", "messages", "model", "n", "prompt", "response_format",
        "stream", "stream_options", "suffix", "tool_choice", "tools",
    }
)  # fmt: skip
"""What a live body keeps whatever the settings say: what is asked, and the form in which the caller waits for it."""

VENDOR_ONLY_ANTHROPIC = frozenset(
    {"container", "context_management", "inference_geo", "mcp_servers", "service_tier", "speed", "thinking"}
)
"""The same as `VENDOR_ONLY` for a candidate that speaks Anthropic's protocol."""

_MEDIA = frozenset({PartKind.IMAGE, PartKind.DOCUMENT, PartKind.AUDIO})


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateBody:
    """An OpenAI body ready to send (but for `stream`), and the names of what was logged and is not in it."""

    body: dict[str, JSON]
    omitted: tuple[str, ...] = ()


class Settings(Protocol):
    """What a candidate changes in a request; `Candidate` has it, and so has a route's target."""

    @property
    def model(self) -> str | None:
        """The name to ask for; `None` keeps the caller's."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """Set on every request."""
        ...

    @property
    def drop(self) -> tuple[str, ...]:
        """Removed from every request."""
        ...

    @property
    def rename(self) -> Mapping[str, str]:
        """The endpoint's names for parameters."""
        ...

    @property
    def prompt_prefix(self) -> str | None:
        """Goes before the system prompt."""
        ...

    @property
    def prompt(self) -> str | None:
        """Replaces the system prompt."""
        ...

    @property
    def thinking_budget(self) -> int | None:
        """In tokens; zero forbids thinking."""
        ...


def candidate_body(request: Request, candidate: Candidate) -> CandidateBody:
    """Return the body that asks `candidate` what `request` asks."""
    names = {**DEFAULT_RENAME, **candidate.rename}
    parameters, omitted = _parameters(request.parameters, candidate, names=names, vendor_only=VENDOR_ONLY)
    asked = replace(_with_prompt(request, candidate), parameters=parameters)
    body = body_of(asked, model=candidate.model)
    body.update(candidate.parameters)
    if candidate.thinking_budget is not None and request.endpoint is Endpoint.CHAT:
        _set_thinking(body, candidate.thinking_budget, candidate.rename.get("thinking_budget"))
    return CandidateBody(body=body, omitted=(*omitted, *_unsendable(request)))


def _with_prompt(request: Request, candidate: Candidate) -> Request:
    """The request with the candidate's prompt; texts to embed take the prefix as it is ("search_query: ")."""
    if request.endpoint is Endpoint.EMBEDDINGS:
        return replace(request, inputs=tuple((candidate.prompt_prefix or "") + text for text in request.inputs))
    prompt = request.system if candidate.prompt is None else candidate.prompt
    return replace(request, system="\n\n".join(text for text in (candidate.prompt_prefix, prompt) if text))


def _parameters(
    logged: Mapping[str, JSON], settings: Settings, *, names: Mapping[str, str], vendor_only: frozenset[str]
) -> tuple[dict[str, JSON], list[str]]:
    left_out = vendor_only.union(settings.drop) - settings.rename.keys()
    sent: dict[str, JSON] = {}
    omitted: list[str] = []
    for name in sorted(logged):
        target = names.get(name, name)
        if name in left_out or name in settings.drop or (target != name and target in logged):
            omitted.append(name)
        else:
            _set(sent, target, logged[name])
    return sent, omitted


def _set(body: dict[str, JSON], path: str, value: JSON) -> None:
    outer, dot, inner = path.partition(".")
    if not dot:
        body[outer] = value
        return
    found = body.get(outer)
    body[outer] = {**(found if isinstance(found, dict) else {}), inner: value}


def _set_thinking(body: dict[str, JSON], budget: int, renamed: str | None) -> None:
    if renamed is not None:
        _set(body, renamed, budget)
        return
    _set(body, "chat_template_kwargs.enable_thinking", budget > 0)
    if budget > 0:
        _set(body, "chat_template_kwargs.thinking_budget", budget)


def _unsendable(request: Request) -> list[str]:
    """Vendor tools, and media of which the log holds no content."""
    tools = [f"tool {tool.name}" for tool in request.tools if tool.kind != "function"]
    parts = (part for turn in request.messages for part in turn.parts)
    media = {f"{part.kind.value} without content" for part in parts if part.kind in _MEDIA and not is_sendable(part)}
    return [*tools, *sorted(media)]


# The same on a live body


def live_body(body: Mapping[str, JSON], settings: Settings, *, protocol: str) -> CandidateBody:
    """Return a live `body` in the upstream's own `protocol` with a candidate's settings, by the rules of a pilot.

    What the candidate answers in earnest must be what was piloted: the same parameters are left out, renamed and set. The
    body is not changed; the one returned shares what is the same.
    """
    is_anthropic = protocol.startswith("anthropic")
    names: Mapping[str, str] = settings.rename if is_anthropic else {**DEFAULT_RENAME, **settings.rename}
    loose = {name: value for name, value in body.items() if name not in CARRIED_LIVE and value is not None}
    if is_anthropic:
        loose.pop("system", None)
    vendor_only = VENDOR_ONLY_ANTHROPIC if is_anthropic else VENDOR_ONLY - CARRIED_LIVE
    parameters, omitted = _parameters(loose, settings, names=names, vendor_only=vendor_only)
    made = {name: value for name, value in body.items() if name in CARRIED_LIVE or (is_anthropic and name == "system")}
    made |= parameters
    made["model"] = settings.model or made.get("model")
    _put_prompt(made, settings, protocol)
    if not is_anthropic:
        omitted += _without_vendor_tools(made)
    made |= cast("Mapping[str, JSON]", settings.parameters)
    if settings.thinking_budget is not None:
        _put_thinking(made, settings.thinking_budget, settings.rename.get("thinking_budget"), protocol)
    return CandidateBody(body=made, omitted=tuple(omitted))


def _put_thinking(body: dict[str, JSON], budget: int, renamed: str | None, protocol: str) -> None:
    if protocol == "openai.chat":
        _set_thinking(body, budget, renamed)
    elif protocol == "anthropic.messages":
        enabled: dict[str, JSON] = {"type": "enabled", "budget_tokens": budget}
        body["thinking"] = enabled if budget > 0 else {"type": "disabled"}


def _put_prompt(body: dict[str, JSON], settings: Settings, protocol: str) -> None:
    if protocol == "openai.chat":
        _put_chat_prompt(body, settings)
    elif protocol == "openai.embeddings" and settings.prompt_prefix:
        body["input"] = _prefixed(body.get("input"), settings.prompt_prefix)
    elif protocol.startswith("anthropic") and (settings.prompt_prefix or settings.prompt is not None):
        system = body.get("system")
        given = _text_blocks(system) if isinstance(system, str) else fields.list_or_empty(system)
        kept = given if settings.prompt is None else _text_blocks(settings.prompt)
        body["system"] = [*_text_blocks(settings.prompt_prefix or ""), *kept]


def _text_blocks(text: str) -> list[JSON]:
    return [{"type": "text", "text": text}] if text else []


def _put_chat_prompt(body: dict[str, JSON], settings: Settings) -> None:
    """One system message at the front, made of the leading ones; "developer" is a word that only OpenAI's models know."""
    turns = fields.list_or_empty(body.get("messages"))
    told: list[str] = []
    for turn in turns:
        found = _system_text(turn)
        if found is None:
            break
        told.append(found)
    prompt = "\n\n".join(told) if settings.prompt is None else settings.prompt
    system = "\n\n".join(text for text in (settings.prompt_prefix, prompt) if text)
    head: list[JSON] = [{"role": "system", "content": system}] if system else []
    body["messages"] = [*head, *(_as_system(turn) for turn in turns[len(told) :])]


def _system_text(turn: JSON) -> str | None:
    if not isinstance(turn, dict) or turn.get("role") not in ("system", "developer"):
        return None
    content = turn.get("content")
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in fields.list_or_empty(content) if isinstance(part, dict)]
    texts = [text for text in parts if isinstance(text, str)]
    return "\n".join(texts) if len(texts) == len(fields.list_or_empty(content)) else None


def _as_system(turn: JSON) -> JSON:
    return {**turn, "role": "system"} if isinstance(turn, dict) and turn.get("role") == "developer" else turn


def _prefixed(sent: JSON, prefix: str) -> JSON:
    if isinstance(sent, str):
        return prefix + sent
    return [prefix + text if isinstance(text, str) else text for text in fields.list_or_empty(sent)]


def _without_vendor_tools(body: dict[str, JSON]) -> list[str]:
    """Take out tools that run at a vendor, and return their names."""
    listed = body.get("tools")
    if not isinstance(listed, list):
        return []
    kinds = [tool.get("type", "function") if isinstance(tool, dict) else "function" for tool in listed]
    kept: list[JSON] = [tool for tool, kind in zip(listed, kinds, strict=True) if kind == "function"]
    if len(kept) < len(listed):
        body["tools"] = kept
        if not kept:
            del body["tools"]
            body.pop("tool_choice", None)
    return [f"tool {kind}" for kind in kinds if kind != "function"]
