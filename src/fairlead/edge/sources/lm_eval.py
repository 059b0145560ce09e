"""Files of the lm-evaluation-harness: `samples_<task>_<time>.jsonl`, one answered item a line.

They hold prompt and answer, no tokens, no times and no model (that stands in the results file beside them). Items that
were scored by the likelihood of given answers hold no answer of the model and are counted as something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.core.nouns import JSON
from fairlead.core.wire import fields, loose
from fairlead.core.wire.decode import structure_or_text
from fairlead.edge.sources.reader import Around, EachRow, Found, NotLogged, Passed, Row, Source, logged
from fairlead.edge.sources.traced import sampling


def _claims(row: Row) -> bool:
    return {"doc_id", "arguments", "resps"} <= row.keys()


def _rows(row: Row) -> Iterable[Found]:
    asked = _arguments(row.get("arguments"))
    answers = _answers(row.get("resps"))
    if asked is None:
        yield NotLogged(reason="an lm-eval sample whose arguments hold no prompt")
        return
    if not answers:
        yield Passed()
    prompt, settings = asked
    for i, answer in enumerate(answers):
        read = loose.turns(
            structure_or_text(prompt) if prompt.startswith("[{") else [{"role": "user", "content": prompt}]
        )
        body = loose.chat_body(model="unnamed", messages=read.messages, parameters=_settings(settings))
        around = Around(metadata={"doc_id": row.get("doc_id"), "filter": row.get("filter")}, fidelity=read.fidelity)
        response = loose.completion(loose.message({"role": "assistant", "content": answer}))
        # An item is written once for each filter that was laid over its answers: these are the same calls.
        of: JSON = {name: row.get(name) for name in ("doc_hash", "doc_id", "arguments", "resps")}
        yield logged(body, response, around, of={"item": of, "answer": i})


def _arguments(given: JSON) -> tuple[str, Mapping[str, JSON]] | None:
    """Prompt and settings of the first request: a list of pairs, or numbered names."""
    first = given
    if isinstance(first, dict):
        first = list(fields.mapping_or_empty(first.get("gen_args_0") or next(iter(first.values()), None)).values())
    elif isinstance(first, list) and first and isinstance(first[0], list):
        first = first[0]
    match first:
        case [str(prompt), dict(settings), *_]:
            return prompt, settings
        case [str(prompt), *_]:
            return prompt, {}
        case _:
            return None


def _settings(given: Mapping[str, JSON]) -> dict[str, JSON]:
    named = {"until": "stop", "max_gen_toks": "max_tokens"}
    return sampling({named.get(name, name): value for name, value in given.items()})


def _answers(resps: JSON) -> list[str]:
    """The texts that were answered, several where an item is asked repeatedly; none of likelihoods, which are pairs of numbers."""
    if isinstance(resps, str):
        return [resps]
    if not isinstance(resps, list) or _is_likelihood(resps):
        return []
    return [answer for inner in resps for answer in _answers(inner)]


def _is_likelihood(pair: list[JSON]) -> bool:
    """Whether two values are a likelihood and whether it is the greatest, as numbers or as texts."""
    match pair:
        case [str(number), str(greatest)] if greatest in {"True", "False"}:
            return number.lstrip("-").replace(".", "", 1).replace("e-", "", 1).isdigit() or number == "-inf"
        case [_, bool()] | [int() | float(), _]:
            return True
        case _:
            return False


LM_EVAL = Source(
    name="lm-eval",
    fields=frozenset({"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "doc_hash", "prompt_hash"}),
    claims=_claims,
    opened=lambda: EachRow(_rows),
)
