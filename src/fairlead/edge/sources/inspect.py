"""Inspect logs: `.eval` archives and the JSON form; one exchange for each call of a model.

A sample's `events` hold every call with the messages sent, the tools and settings, and what came back. Long texts lie in
the sample's `attachments` and, in newer logs, messages in a `message_pool` of which a call names ranges. Where a log was
written without events, the sample's own messages give its last call. `input_tokens` excludes cached tokens, and before 2026-02-26 included
them for OpenAI and Grok; Google's and Grok's reasoning was counted beside `output_tokens` (Google's no more), Perplexity's
still is: `total_tokens` tells which. For Anthropic nothing ever changed, but logs of early 2025 count its reasoning a second
time in the total (UKGovernmentBEIS/inspect_ai `_model_output.py` and `_providers`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON, Failure, FailureKind, Fidelity, Message, Usage
from fairlead.core.wire import fields, loose
from fairlead.core.wire.decode import decode
from fairlead.core.wire.failure import one_line
from fairlead.edge.sources.archive import Member
from fairlead.edge.sources.lines import Damaged
from fairlead.edge.sources.reader import Around, Found, NotLogged, Passed, Row, Source, Taker, logged

_SETTINGS: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "stop_seqs": "stop",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "logit_bias": "logit_bias",
    "reasoning_effort": "reasoning_effort",
    "parallel_tool_calls": "parallel_tool_calls",
}
_ATTACHMENT = ("attachment://", "tc://")


class InspectParts:
    """The members of an `.eval` archive, put together to the rows that the JSON form would give, one a sample."""

    def __init__(self) -> None:
        self._header: dict[str, JSON] = {}
        self._samples = 0

    @property
    def begun(self) -> bool:
        """Whether the archive has shown to be an Inspect log."""
        return bool(self._header)

    def wants(self, name: str) -> bool:
        """Whether this member is a part of an Inspect log."""
        return name in {"header.json", "_journal/start.json"} or (self.begun and name.startswith("samples/"))

    def take(self, member: Member, *, limit: int) -> dict[str, JSON] | None:
        """Return the row of a sample; the header is kept for the samples that follow."""
        data = b""
        for chunk in member.chunks:
            data += chunk
            if len(data) > limit:
                raise Damaged(f"longer than {limit:,} bytes")
        try:
            value = fields.mapping(decode(data), member.name)
        except UnreadableLine as error:
            raise Damaged(error.reason) from None
        if not member.name.startswith("samples/"):
            self._header |= value
            return None
        self._samples += 1
        return {**self._header, "samples": [value]}

    def rest(self) -> dict[str, JSON] | None:
        """Return the row of a log without samples, which says so."""
        return {**self._header, "samples": []} if self.begun and not self._samples else None


def _claims(row: Row) -> bool:
    return isinstance(row.get("eval"), dict) and ("samples" in row or "stats" in row)


class Inspect(Taker):
    """Takes logs and their samples; what a long log's document holds beside its samples comes as rows of its own."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def take(self, row: Row) -> Iterable[Found]:
        """Give the calls of the samples."""
        about = fields.mapping_or_empty(row.get("eval"))
        log = fields.label(about.get("eval_id")) or fields.label(about.get("run_id")) or ""
        if fields.list_or_empty(row.get("samples")):
            self._given.add(log)
        elif log in self._given:
            return [Passed()]
        return _rows(row)


def _rows(row: Row) -> Iterable[Found]:
    samples = fields.list_or_empty(row.get("samples"))
    if not samples:
        yield NotLogged(reason=_why_none(row))
    about = fields.mapping_or_empty(row.get("eval"))
    for sample in samples:
        if isinstance(sample, dict):
            yield from _Sample(sample, about).calls()
        else:
            yield NotLogged(reason=f"a sample is {fields.seen(sample)}, not an object")


def _why_none(row: Row) -> str:
    usage = fields.mapping_or_empty(fields.mapping_or_empty(row.get("stats")).get("model_usage"))
    totals = [
        f"{name} {fields.mapping_or_empty(used).get('input_tokens')} in, {fields.mapping_or_empty(used).get('output_tokens')} out"
        for name, used in usage.items()
    ]
    told = f"; its totals: {', '.join(totals)} tokens" if totals else ""
    return one_line(f"an Inspect log (status {row.get('status')}) that holds no samples{told}")


class _Sample:
    """One sample: its calls, with attachments put back."""

    def __init__(self, sample: Mapping[str, JSON], about: Mapping[str, JSON]) -> None:
        self._sample = sample
        self._about = about
        self._attachments = fields.mapping_or_empty(sample.get("attachments"))
        self._pool = fields.list_or_empty(sample.get("message_pool"))
        run = fields.label(about.get("run_id")) or fields.label(about.get("eval_id")) or "run"
        self._name = f"{run}/{fields.label(sample.get('id'))}/{fields.label(sample.get('epoch')) or 1}"

    def calls(self) -> Iterator[Found]:
        events = [event for event in fields.list_or_empty(self._sample.get("events")) if isinstance(event, dict)]
        made = [event for event in events if event.get("event") == "model"]
        for step, event in enumerate(made, start=1):
            yield self._call(event, step)
        if not made:
            yield self._last_call()

    def _call(self, event: Mapping[str, JSON], step: int) -> Found:
        output = fields.mapping_or_empty(event.get("output"))
        sent = [*self._referred(event.get("input_refs")), *fields.list_or_empty(event.get("input"))]
        asked = loose.turns(self._whole(sent))
        config = fields.mapping_or_empty(event.get("config"))
        provider, model = _split_model(event.get("model"))
        schema = fields.mapping_or_empty(config.get("response_schema")).get("json_schema")
        body = loose.chat_body(
            model=model,
            messages=asked.messages,
            tools=loose.tools(self._whole(event.get("tools"))),
            tool_choice=_tool_choice(event),
            parameters={name: config.get(key) for key, name in _SETTINGS.items()},
            schema=schema if isinstance(schema, dict) else None,
        )
        return self._logged(
            body,
            output,
            provider,
            step=step,
            started_at=event.get("timestamp"),
            latency_s=output.get("time"),
            error=_first_text(event.get("error"), output.get("error")),
            fidelity=asked.fidelity,
            of={"sample": self._name, "call": dict(event)},
            is_cached=event.get("cache") == "read",
            id=fields.label(event.get("uuid")) or f"{self._name}/{step}",
        )

    def _last_call(self) -> Found:
        """The call that the sample's messages end with, for logs without events."""
        output = fields.mapping_or_empty(self._sample.get("output"))
        messages = fields.list_or_empty(self._sample.get("messages"))
        spoken = [i for i, raw in enumerate(messages) if isinstance(raw, dict) and raw.get("role") == "assistant"]
        before = messages[: spoken[-1]] if spoken else messages
        asked = loose.turns(self._whole(before))
        provider, model = _split_model(self._about.get("model"))
        used = output if len(spoken) <= 1 else {key: value for key, value in output.items() if key != "usage"}
        return self._logged(
            loose.chat_body(model=model, messages=asked.messages),
            used,
            provider,
            step=len(spoken) or None,
            started_at=None,
            latency_s=output.get("time"),
            error=_first_text(self._sample.get("error"), output.get("error")),
            fidelity=asked.fidelity,
            of={"sample": self._name, "messages": list[JSON](messages), "output": dict(output)},
            is_cached=False,
            id=fields.label(self._sample.get("uuid")) or self._name,
        )

    def _logged(
        self,
        body: dict[str, JSON],
        output: Mapping[str, JSON],
        provider: str | None,
        *,
        step: int | None,
        started_at: JSON,
        latency_s: JSON,
        error: str | None,
        fidelity: tuple[Fidelity, ...],
        of: JSON,
        is_cached: bool,
        id: str,  # noqa: A002
    ) -> Found:
        metadata: dict[str, JSON] = {
            "task": self._about.get("task"),
            "sample": self._sample.get("id"),
            "epoch": self._sample.get("epoch"),
            "answered_from_cache": is_cached or None,
        }
        around = Around(
            id=id,
            started_at=started_at,
            latency_s=latency_s,
            provider=provider,
            conversation=self._name,
            step=step,
            metadata=metadata,
            usage=Usage() if is_cached else usage(output.get("usage"), provider=provider),
            fidelity=fidelity,
        )
        failure = None if error is None else Failure(kind=FailureKind.SERVER_ERROR, detail=one_line(error))
        return logged(body, self._answer(output), around, failure=failure, of=of)

    def _answer(self, output: Mapping[str, JSON]) -> JSON:
        choices = fields.list_or_empty(output.get("choices"))
        if not choices or not isinstance(choices[0], dict):
            return None
        said: list[Message] = loose.message(self._whole(choices[0].get("message")))
        return loose.completion(
            said,
            model=fields.text_or_none(output.get("model")),
            finish=fields.text_or_none(choices[0].get("stop_reason")),
        )

    def _referred(self, ranges: JSON) -> list[JSON]:
        found: list[JSON] = []
        for pair in fields.list_or_empty(ranges):
            match pair:
                case [int(start), int(end)]:
                    found.extend(self._pool[start:end])
                case _:
                    pass
        return found

    def _whole(self, value: JSON) -> JSON:
        """The value with its attachments put back in."""
        if isinstance(value, str) and value.startswith(_ATTACHMENT):
            held = self._attachments.get(value.partition("://")[2])
            return held if isinstance(held, str) else value
        if isinstance(value, list):
            return [self._whole(item) for item in value]
        if isinstance(value, dict):
            return {key: self._whole(item) for key, item in value.items()}
        return value


def _split_model(name: JSON) -> tuple[str | None, str]:
    """`openai/gpt-4o` names provider and model."""
    told = name if isinstance(name, str) else ""
    provider, slash, model = told.partition("/")
    return (provider, model) if slash and model else (None, told or "unnamed")


def _tool_choice(event: Mapping[str, JSON]) -> JSON:
    chosen = event.get("tool_choice")
    if isinstance(chosen, dict):
        return {"type": "function", "function": {"name": chosen.get("name")}}
    return "required" if chosen == "any" else chosen


def _first_text(*values: JSON) -> str | None:
    for value in values:
        told = value.get("message") if isinstance(value, dict) else value
        if isinstance(told, str) and told:
            return told
    return None


def usage(raw: JSON, *, provider: str | None = None) -> Usage | None:
    """Return the tokens of a call; `None` when the log holds none.

    The total tells whether cached tokens are within the input and reasoning within the output; Anthropic's never and always are.
    """
    if not isinstance(raw, dict):
        return None
    counted = {name: fields.count(raw.get(name)) for name in raw}
    read, written = counted.get("input_tokens_cache_read"), counted.get("input_tokens_cache_write")
    fresh, output, reasoning = (counted.get(name) for name in ("input_tokens", "output_tokens", "reasoning_tokens"))
    cached, thought, total = (read or 0) + (written or 0), reasoning or 0, counted.get("total_tokens")
    are_cached_beside, is_thought_beside = True, False
    if fresh is not None and output is not None and total is not None and provider != "anthropic":
        both = fresh + output
        are_cached_beside = total not in {both, both + thought} or total == both + cached > both
        is_thought_beside = total not in {both, both + cached} and total in {both + thought, both + cached + thought}
    if fresh is not None and not are_cached_beside:
        fresh = fresh - cached if fresh >= cached else None
    visible = output
    if output is not None and thought and not is_thought_beside:
        visible = output - thought if thought <= output else output if provider == "perplexity" else None
    return Usage(fresh=fresh, cache_read=read, cache_write_5m=written, visible=visible, reasoning=reasoning)


INSPECT = Source(
    name="inspect",
    fields=frozenset({"version", "status", "eval", "plan", "results", "stats", "samples", "reductions"}),
    claims=_claims,
    opened=Inspect,
)
