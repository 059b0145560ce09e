"""Token counts under the many names that tracers give them, made disjoint.

Whether cached and reasoning tokens are inside `input` and `output` or beside them is told by the total where there is one;
else by the names: a dotted detail (`prompt_details.cache_read`) is inside, a key of its own is beside.
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
    "input_cache_creation_5m",
)  # fmt: skip
_WRITTEN_1H = ("input_cache_creation_1h",)
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
_NAMED = frozenset({*_INPUT, *_OUTPUT, *_TOTAL, *_READ, *_WRITTEN, *_WRITTEN_1H, *_THOUGHT, *_HEARD, *_SEEN, *_SPOKEN})


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
    read, written, long, thought = (_count(flat, names) for names in (_READ, _WRITTEN, _WRITTEN_1H, _THOUGHT))
    heard, seen, spoken = (_count(flat, names) or None for names in (_HEARD, _SEEN, _SPOKEN))
    within_in = (read or 0) + (written or 0) + (long or 0) + (heard or 0) + (seen or 0)
    within_out = (thought or 0) + (spoken or 0)
    apart = {"audio_in": heard, "image_in": seen, "audio_out": spoken}
    if _is_inside(flat, given, made, within_in + within_out):
        given = None if given is None or given < within_in else given - within_in
        made = None if made is None or made < within_out else made - within_out
        return Usage(
            fresh=given, cache_read=read, cache_write_5m=written, cache_write_1h=long, visible=made, reasoning=thought,
            **apart,
        )  # fmt: skip
    more_in, more_out = _others(flat, "input_"), _others(flat, "output_")
    return Usage(
        fresh=None if given is None else given + more_in,
        cache_read=read,
        cache_write_5m=written,
        cache_write_1h=long,
        visible=None if made is None else made + more_out,
        reasoning=thought,
        **apart,
    )


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


def _is_inside(flat: Mapping[str, JSON], given: int | None, made: int | None, details: int) -> bool:
    both, total = (given or 0) + (made or 0), _count(flat, _TOTAL)
    if total is not None and details and total in {both, both + details}:
        return total == both
    return any("." in name for name in flat)


def _others(flat: Mapping[str, JSON], prefix: str) -> int:
    """Counts of a kind of its own (audio, images), which are billed too."""
    return sum(whole_number(flat[name]) or 0 for name in flat if name.startswith(prefix) and name not in _NAMED)
