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

from fairlead.core.nouns import JSON, Candidate, Endpoint, PartKind, Request
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

_MEDIA = frozenset({PartKind.IMAGE, PartKind.DOCUMENT, PartKind.AUDIO})


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateBody:
    """An OpenAI body ready to send (but for `stream`), and the names of what was logged and is not in it."""

    body: dict[str, JSON]
    omitted: tuple[str, ...] = ()


def candidate_body(request: Request, candidate: Candidate) -> CandidateBody:
    """Return the body that asks `candidate` what `request` asks."""
    parameters, omitted = _parameters(request.parameters, candidate)
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


def _parameters(logged: Mapping[str, JSON], candidate: Candidate) -> tuple[dict[str, JSON], list[str]]:
    names = {**DEFAULT_RENAME, **candidate.rename}
    left_out = VENDOR_ONLY.union(candidate.drop) - candidate.rename.keys()
    sent: dict[str, JSON] = {}
    omitted: list[str] = []
    for name in sorted(logged):
        target = names.get(name, name)
        if name in left_out or name in candidate.drop or (target != name and target in logged):
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
