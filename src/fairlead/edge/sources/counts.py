"""Token counts under the many names that tracers give them, made disjoint.

Whether cached and reasoning tokens are inside `input` and `output` or beside them is told by the total where there is one;
else by the names: a dotted detail (`prompt_details.cache_read`) is inside, a key of its own is beside. Langfuse's server
and SDKs (langfuse/langfuse `OtelIngestionProcessor.ts`, `ingestion/types.ts`; langfuse-python `CallbackHandler.py`) keep
every key beside; LiteLLM's Langfuse logger (`integrations/langfuse/langfuse.py`) takes what was read out of the input and
leaves what was written in, older ones leave both in: its total tells.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.nouns import JSON, Usage
from fairlead.core.wire import fields

_INPUT = ("input", "input_tokens", "prompt_tokens", "inputTokens", "promptTokens", "prompt")
_OUTPUT = ("output", "output_tokens", "completion_tokens", "outputTokens", "completionTokens", "completion")
_TOTAL = ("total", "total_tokens", "totalTokens")
_READ = (
    "input_cache_read", "cache_read_input_tokens", "input_cached_tokens", "cache_read", "cached_tokens",
    "prompt_details.cache_read", "prompt_tokens_details.cached_tokens", "input_token_details.cache_read",
    "input_tokens_details.cached_tokens",
)  # fmt: skip
_WRITTEN = (
    "input_cache_creation", "cache_creation_input_tokens", "input_cache_write", "cache_creation",
    "prompt_details.cache_write", "prompt_tokens_details.cache_write_tokens", "input_token_details.cache_creation",
)  # fmt: skip
# What was written by how long it is kept stands beside the rest that was written.
_WRITTEN_5M = ("input_cache_creation_5m", "input_ephemeral_5m_input_tokens")
_WRITTEN_1H = ("input_cache_creation_1h", "input_ephemeral_1h_input_tokens")
_THOUGHT = (
    "output_reasoning", "output_reasoning_tokens", "reasoning", "reasoning_tokens", "completion_details.reasoning",
    "completion_tokens_details.reasoning_tokens", "output_token_details.reasoning",
    "output_tokens_details.reasoning_tokens",
)  # fmt: skip
_HEARD = ("input_audio", "input_audio_tokens", "prompt_tokens_details.audio_tokens", "input_token_details.audio")
_SEEN = ("input_image", "input_image_tokens", "prompt_tokens_details.image_tokens")
_SPOKEN = (
    "output_audio",
    "output_audio_tokens",
    "completion_tokens_details.audio_tokens",
    "output_token_details.audio",
)
_NAMED = frozenset(
    {
        *_INPUT, *_OUTPUT, *_TOTAL, *_READ, *_WRITTEN, *_WRITTEN_5M, *_WRITTEN_1H, *_THOUGHT, *_HEARD, *_SEEN, *_SPOKEN,
    }
)  # fmt: skip


def whole_number(value: JSON) -> int | None:
    """Return a count, also one written as text, as tables have them."""
    if isinstance(value, str) and value.strip().removesuffix(".0").isdigit() and len(value) < 16:
        return int(value.strip().removesuffix(".0"))
    return fields.count(value)


def seconds_of_thousandths(value: JSON) -> JSON:
    """Return milliseconds as seconds, also those written as text; what is no number stays, to be set aside."""
    try:
        thousandths = float(value) if isinstance(value, str) else value
    except ValueError:
        return value
    return thousandths / 1000 if isinstance(thousandths, (int, float)) and not isinstance(value, bool) else value


def counts_of(raw: Mapping[str, JSON]) -> Usage | None:
    """Return disjoint counts, or `None` when there is neither an input nor an output count."""
    flat = _flat(raw)
    given, made = _count(flat, _INPUT), _count(flat, _OUTPUT)
    if given is None and made is None:
        return None
    read, thought, long = (_count(flat, names) for names in (_READ, _THOUGHT, _WRITTEN_1H))
    written = _sum(_count(flat, _WRITTEN), _count(flat, _WRITTEN_5M))
    heard, seen, spoken = (_count(flat, names) or None for names in (_HEARD, _SEEN, _SPOKEN))
    inside = _inside(
        flat,
        both=(given or 0) + (made or 0),
        read=read or 0,
        other_input=(written or 0) + (long or 0) + (heard or 0) + (seen or 0),
        output=(thought or 0) + (spoken or 0),
    )
    within_in, within_out = inside or (0, 0)
    given = None if given is None or given < within_in else given - within_in
    made = None if made is None or made < within_out else made - within_out
    more_in, more_out = (0, 0) if inside else (_others(flat, "input_"), _others(flat, "output_"))
    return Usage(
        fresh=None if given is None else given + more_in,
        cache_read=read,
        cache_write_5m=written,
        cache_write_1h=long,
        visible=None if made is None else made + more_out,
        reasoning=thought,
        audio_in=heard,
        image_in=seen,
        audio_out=spoken,
    )


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _flat(raw: Mapping[str, JSON]) -> dict[str, JSON]:
    flat: dict[str, JSON] = {}
    for name, value in raw.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": held for inner, held in value.items()}
        else:
            flat[name] = value
    return flat


def _count(flat: Mapping[str, JSON], names: tuple[str, ...]) -> int | None:
    return next((found for name in names if (found := whole_number(flat.get(name))) is not None), None)


def _inside(flat: Mapping[str, JSON], *, both: int, read: int, other_input: int, output: int) -> tuple[int, int] | None:
    """What the input and the output hold of the details; `None` where nothing, which leaves kinds without a name apart too."""
    total, details = _count(flat, _TOTAL), read + other_input + output
    within = (read + other_input, output)
    if total is not None and details:
        if total == both:
            return within
        if total == both + details:
            return None
        # Some take out of the input what was read from a cache, or all that is no fresh input, and leave the rest in.
        for beside, held in (
            (read, (other_input, output)),
            (read + other_input, (0, output)),
            (output, (within[0], 0)),
        ):
            if beside and total == both + beside:
                return held
    return within if any("." in name for name in flat) else None


def _others(flat: Mapping[str, JSON], prefix: str) -> int:
    """Counts of a kind of its own (video, text), which are billed too; a tier's share is of counts that are there already."""
    kinds = (name for name in flat if name.startswith(prefix) and name not in _NAMED and "priority" not in name)
    return sum(whole_number(flat[name]) or 0 for name in kinds)
