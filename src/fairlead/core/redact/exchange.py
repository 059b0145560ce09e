"""A whole exchange without what must not be stored: bodies as logged, the records read from them, and all around them.

The bodies are redacted first and read again, so that the ledger holds what anybody would read from the redacted bodies.
Where the records did not come from the bodies (a row of an export, without bodies), they are redacted themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from fairlead.core.errors import UnreadableLine
from fairlead.core.nouns import JSON, Answer, Exchange, Failure, Fidelity, Request, Tool
from fairlead.core.quick import changed
from fairlead.core.redact.kinds import Policy
from fairlead.core.redact.redactor import Pass, Redactor
from fairlead.core.wire.key import DROPPED, request_key
from fairlead.core.wire.records import answer_from_json, answer_to_json, request_from_json, request_to_json
from fairlead.core.wire.row import answer_of, request_of

GIVEN = "fairlead.redacted"
"""Name of the note in an exchange's metadata that gives, for each placeholder, the keyed hash of what it stands for."""

_TEXTS = frozenset({"messages", "input", "contents", "system", "instructions", "tools"})
"""Fields of a request that say what is asked, not for whom."""

_A_PROMPT = "<prompt 1>"
"""What stands for every system prompt whose text was dropped."""

_PIECES = "logprobs"
"""The answer once more, token by token: a value cut into tokens is not found there."""


def redacted(exchange: Exchange, redactor: Redactor) -> Exchange:
    """Return what may be stored of an exchange; `redactor.report` counts what was taken out."""
    found = _dropped(exchange, redactor) if redactor.policy is Policy.DROP else exchange
    found = _nameless(found, redactor) if redactor.policy is Policy.HASH else found
    report = redactor.report
    report.exchanges += 1
    report.dropped += redactor.policy is Policy.DROP
    if _holds_nothing(found, redactor):
        report.touched += found is not exchange
        return found
    each = redactor.pass_over()
    tools = found.request.tools  # of a dropped request, all that is left inside that anybody wrote
    is_bare = redactor.policy is Policy.DROP and (not tools or each.is_clean(tools))
    plain = _around(found if is_bare else _inside(found, each), each)
    if each.met:  # a number announced in one place may stand bare in another
        each = redactor.pass_over(each.met)
        plain = _around(_inside(found, each), each)
    if given := each.given:
        plain = replace(plain, metadata={**plain.metadata, GIVEN: cast("JSON", given)})
    if each.found:
        report.places.update(each.found)
    report.touched += plain is not exchange
    return plain


def is_clean(body: JSON, read: Request | Answer, redactor: Redactor) -> bool:
    """Whether one side of an exchange holds nothing to take out: two sides of which that is true need no more looking at.

    What is asked a thousand times need only be looked at once.
    """
    if redactor.policy is Policy.DROP:
        return False
    glance = redactor.glance()
    glance.value(body)
    glance.request(read) if isinstance(read, Request) else glance.answer(read)
    if glance.is_clean():
        return True
    each = redactor.pass_over()
    if each.value(body) is not body:
        return False
    return _is_clean(read, each) if isinstance(read, Request) else _is_clean_answer(read, each)


def expected(value: JSON, exchange: Exchange, redactor: Redactor) -> JSON:
    """What is expected of an exchange, written as its redacted texts are: the same placeholder for the same value.

    Labels hold the true values, the ledger does not: a value is known again by its keyed hash beside the placeholder.
    """
    given = exchange.metadata.get(GIVEN)
    if not isinstance(given, dict):
        return value
    placeholders = {hashed: placeholder for placeholder, hashed in given.items() if isinstance(hashed, str)}
    return redactor.like(value, placeholders)


def _holds_nothing(exchange: Exchange, redactor: Redactor) -> bool:
    """Whether one look at everything the exchange says tells that there is nothing to take out."""
    if redactor.policy is Policy.HASH:
        return False  # whom it was made for is hashed, whatever it looks like
    glance = redactor.glance()
    glance.around(exchange)
    if redactor.policy is Policy.DROP:
        glance.tools(exchange.request)  # all that is left inside that anybody wrote
    else:
        glance.inside(exchange)
    return glance.is_clean()


def _inside(exchange: Exchange, each: Pass) -> Exchange:
    """The bodies and what was read from them."""
    before = each.personal
    request_body = each.value(exchange.request_body)
    request = _request(exchange, request_body, each)
    asked = each.personal
    response_body = each.value(exchange.response_body)
    if response_body is not exchange.response_body:
        response_body = _without_pieces(response_body)
    answer = _answer(exchange, response_body, each)
    if request is exchange.request and answer is exchange.answer and _same(exchange, request_body, response_body):
        return exchange
    flags = exchange.fidelity
    if asked > before and Fidelity.REDACTED not in flags:
        flags = (*flags, Fidelity.REDACTED)
    return replace(
        exchange,
        request_body=request_body,
        response_body=response_body,
        request=request,
        answer=answer,
        fidelity=flags,
    )


def _same(exchange: Exchange, request_body: JSON, response_body: JSON) -> bool:
    return request_body is exchange.request_body and response_body is exchange.response_body


def _request(exchange: Exchange, body: JSON, each: Pass) -> Request:
    """The request as read from the redacted body, or itself redacted when it was not read from the body."""
    given = exchange.request
    if body is not exchange.request_body:
        try:
            if request_of(exchange.dialect, exchange.request_body) == given:
                return request_of(exchange.dialect, body)
        except UnreadableLine:
            pass
    if _is_clean(given, each):
        return given
    written = request_to_json(given)
    plain = _unreported(each, written)
    return given if plain is written else request_from_json(plain)


def _answer(exchange: Exchange, body: JSON, each: Pass) -> Answer:
    given = exchange.answer
    if body is not exchange.response_body:
        try:
            if answer_of(exchange.dialect, exchange.response_body)[0] == given:
                return answer_of(exchange.dialect, body)[0]
        except UnreadableLine:
            pass
    if not given.tool_calls and given.failure is None and each.value(given.text) is given.text:
        return given
    written = answer_to_json(given)
    plain = _unreported(each, written)
    return given if plain is written else answer_from_json(plain)


def _is_clean_answer(given: Answer, each: Pass) -> bool:
    if not given.tool_calls and given.failure is None:
        return each.value(given.text) is given.text
    written: JSON = answer_to_json(given)
    return each.value(written) is written


def _is_clean(request: Request, each: Pass) -> bool:
    """Whether the request holds nothing to take out: quick, for nearly all of its texts were just seen in the body."""
    parts = (part for turn in request.messages for part in turn.parts)
    return (
        each.value(request.system) is request.system
        and all(each.value(part.text) is part.text and _is_same(part.arguments, each) for part in parts)
        and all(each.value(text) is text for text in request.inputs)
        and _is_same(dict(request.parameters), each)
        and _is_same(cast("JSON", request.schema), each)
        and (not request.tools or each.is_clean(request.tools))
    )


def _is_same(value: JSON, each: Pass) -> bool:
    return value is None or each.value(value) is value


def _unreported(each: Pass, value: dict[str, JSON]) -> JSON:
    """A second form of what was counted already; counted only where the first form held nothing."""
    before = each.found.copy()
    plain = each.value(value)
    if before:
        each.found = before
    return plain


def _around(exchange: Exchange, each: Pass) -> Exchange:
    """What stands beside the bodies: whom it was made for, the conversation, and the application's own notes."""
    metadata = each.value(cast("dict[str, JSON]", exchange.metadata))
    user = None if exchange.user is None else each.identity(exchange.user)
    conversation = None if exchange.conversation is None else each.identity(exchange.conversation)
    provider = None if exchange.provider is None else each.text(exchange.provider)
    if (
        metadata is exchange.metadata
        and user == exchange.user
        and conversation == exchange.conversation
        and provider is exchange.provider
    ):
        return exchange
    notes = metadata if isinstance(metadata, Mapping) else {}
    return replace(exchange, metadata=notes, user=user, conversation=conversation, provider=provider)


def _nameless(exchange: Exchange, redactor: Redactor) -> Exchange:
    """The exchange with its user and conversation hashed also where its notes and parameters repeat them."""
    names = {name for name in (exchange.user, exchange.conversation) if name}
    if not names:
        return exchange
    hashed = {name: redactor.pass_over().identity(name) for name in names}
    request = exchange.request
    return replace(
        exchange,
        metadata={key: _renamed(value, hashed) for key, value in exchange.metadata.items()},
        request=replace(request, parameters={k: _renamed(v, hashed) for k, v in request.parameters.items()}),
        request_body=_parameters_renamed(exchange.request_body, hashed),
    )


def _parameters_renamed(body: JSON, hashed: Mapping[str, str]) -> JSON:
    if not isinstance(body, dict):
        return body
    return {key: value if key in _TEXTS else _renamed(value, hashed) for key, value in body.items()}


def _renamed(value: JSON, hashed: Mapping[str, str]) -> JSON:
    if isinstance(value, str):
        return hashed.get(value, value)
    if isinstance(value, dict):
        return {key: _renamed(inner, hashed) for key, inner in value.items()}
    return [_renamed(inner, hashed) for inner in value] if isinstance(value, list) else value


def _dropped(exchange: Exchange, redactor: Redactor) -> Exchange:
    """The exchange without its texts. A hash stands for the request, so that equal ones still count as equal."""
    request = exchange.request
    mark = redactor.hashed(request_key(request), "request")
    kept = Request(
        endpoint=request.endpoint,
        model=request.model,
        system=_A_PROMPT if request.system else "",
        tools=tuple(Tool(name=tool.name, kind=tool.kind) for tool in request.tools),
        json_mode=request.json_mode,
        stream=request.stream,
        parameters={DROPPED: mark},
    )
    told = exchange.answer
    answer = Answer(model=told.model, finish=told.finish, embeddings=told.embeddings, failure=_bare(told))
    flags = (
        exchange.fidelity
        if Fidelity.PROMPT_ABSENT in exchange.fidelity
        else (*exchange.fidelity, Fidelity.PROMPT_ABSENT)
    )
    return changed(
        exchange, request=kept, answer=answer, request_body=None, response_body=None, metadata={}, fidelity=flags
    )


def _bare(answer: Answer) -> Failure | None:
    return None if answer.failure is None else replace(answer.failure, detail="")


def _without_pieces(value: JSON, depth: int = 0) -> JSON:
    if depth > 6:
        return value
    if isinstance(value, dict):
        return {k: None if k == _PIECES else _without_pieces(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_pieces(member, depth + 1) for member in value]
    return value
