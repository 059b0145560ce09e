"""Calls to rows of the ledger: read, placed in a workload, redacted, priced, added up. What repeats is done once.

Most traffic repeats: the same prompt with the same tools, often the same question. A request or an answer that is, byte
for byte, one that was seen before costs a look into a memory; everything else is read and redacted as a scan would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from typing import Protocol as Protocol_

import msgspec

from fairlead.core.errors import PriceListError, UnreadableLine
from fairlead.core.nouns import JSON, Exchange, Request, Usage
from fairlead.core.redact import Policy, Redactor, is_clean, redacted
from fairlead.core.wire.key import request_key
from fairlead.core.workload.memo import Memo
from fairlead.edge.catalog.rates import Priced
from fairlead.edge.control.placing import NOWHERE, Placed, Placing
from fairlead.edge.store.append import Arrival, KeptBody
from fairlead.edge.store.codec import answer_body, kept, key, key_or_none, moment, packer, request_body
from fairlead.edge.store.database import Row
from fairlead.edge.store.rollups import DAY_US, DOLLAR, HOUR_US, NOTE, Slot, Tally
from fairlead.edge.store.rows import usage_row
from fairlead.serve.frames import Call, Ended, Protocol, Served
from fairlead.serve.reading import KEPT, Answered, Asked, answered, asked

SOURCE = "gateway"

_MEMORY = 4_000_000
_COSTS = 20_000
_MODELS = 1_000
OTHER_MODEL = "other"
"""Stands for models that never answered: anybody can ask for any name, and sums are kept for each."""
_ROW_BYTES = 600
_LEARNED_ALWAYS = 16
_MAKERS: Mapping[Protocol, str] = {Protocol.ANTHROPIC_MESSAGES: "anthropic"}
_ENCODER = msgspec.json.Encoder()
# What an enumeration stands for in a column, looked up once: `.value` takes as long as a small function.
_SERVED: Mapping[Served, str] = {each: each.value for each in Served}
_ENDED: Mapping[Ended, str] = {each: each.value for each in Ended}
_DONE, _REFUSED, _CLOSED = Ended.DONE, Ended.REFUSED, Ended.CLIENT_CLOSED
_CANDIDATE = Served.CANDIDATE
_COLUMNS = 4_000
_SHORT = 200


class Price(Protocol_):
    """What a call cost, by model, provider, tokens, time and service tier."""

    def __call__(
        self, model: str, provider: str | None, usage: Usage, at: datetime | None, *, tier: str | None = None
    ) -> Priced:
        """The cost, or why it is not known."""
        ...


Rate = Callable[[str], Decimal | None]
"""What one unit of a currency is worth in dollars, `None` where that is not known."""


@dataclass(slots=True)
class _Question:
    """A request that was seen: read, and ready to be kept where nothing had to be taken out of it."""

    asked: Asked
    clean: bool
    key: str
    body: KeptBody
    size: int
    dialect: str
    endpoint: str
    seen: int = 0
    placed: Placed = NOWHERE
    placed_by: int = -1


@dataclass(slots=True)
class _Reply:
    """An answer that was seen, likewise."""

    answered: Answered
    clean: bool
    body: KeptBody
    size: int
    usage: Row
    failure: str | None


class _Bill(NamedTuple):
    """What a call cost, and what the incumbent would have cost, in the roll-ups' money; `None` is unknown."""

    cost: int | None
    instead: int | None


_FREE = _Bill(0, 0)


class _Who(NamedTuple):
    """For whom a call was made, and in which conversation."""

    user: str | None
    conversation: str | None


@dataclass(slots=True, kw_only=True)
class Kept:
    """One call that was kept, for whoever watches: shadows, guards, traces.

    `call` holds the raw bodies; `asked` and `answered` are as the ledger has them. `cost` is in the roll-ups' money.
    """

    call: Call
    asked: Asked
    answered: Answered
    placed: Placed
    cost: int | None
    who: _Who

    @property
    def exchange_id(self) -> str:
        """The exchange's id in the ledger."""
        return self.call.call_id

    @property
    def exchange(self) -> Exchange:
        """The exchange as the ledger has it."""
        return _exchange(self.call, self.asked, self.answered, self.who)


@dataclass(slots=True)
class Lot:
    """What is written together: rows, sums, and the calls they came from (where somebody wants to see them)."""

    arrivals: list[Arrival] = field(default_factory=list[Arrival])
    tallies: dict[Slot, Tally] = field(default_factory=dict[Slot, Tally])
    kept: list[Kept] = field(default_factory=list[Kept])
    size: int = 0
    tried: bool = False

    @property
    def calls(self) -> int:
        """How many calls are in it, whether kept whole or only counted."""
        return sum(tally.calls for tally in self.tallies.values())


class Capture:
    """Turns calls into lots. Not to be shared between threads.

    `provider` names who is paid at an upstream; `wanted` says of which calls somebody wants to see what was kept;
    `may_leave` whether the texts of a workload (`None`: not known yet) may be written to where the ledger is.
    """

    def __init__(
        self,
        *,
        redactor: Redactor,
        price: Price,
        rate: Rate,
        placing: Placing,
        provider: Callable[[str], str | None] = lambda _: None,
        wanted: Callable[[Call], bool] = lambda _: False,
    ) -> None:
        self.wanted = wanted
        self.provider = provider
        self.unreadable = 0
        self.may_leave: Callable[[str | None], bool] = lambda _: True
        self._redactor = redactor
        self._dropping = redactor.dropping()
        self._next: tuple[Redactor, Price] | None = None
        self._price = price
        self._rate = rate
        self._placing = placing
        self._pack = packer()
        self._models: set[str] = set()
        self._columns: dict[str, str] = {}
        self._forget()

    def use(self, redactor: Redactor, price: Price) -> None:
        """Redact and price by these from the next lot on; safe to ask from any thread."""
        self._next = redactor, price

    def _turn_over(self, redactor: Redactor, price: Price) -> None:
        """What was found clean and what was priced was so by other rules."""
        self._redactor, self._dropping, self._price = redactor, redactor.dropping(), price
        self._forget()

    def _forget(self) -> None:
        """Begin without anything remembered."""
        self._questions: Memo[tuple[Protocol, bytes], _Question] = Memo(_MEMORY, lambda _, each: each.size)
        self._replies: Memo[tuple[Protocol, int, Ended, bytes], _Reply] = Memo(_MEMORY, lambda _, each: each.size)
        self._costs: dict[tuple[str, str | None, Usage, int, str | None], int | None] = {}

    def read(self, calls: Sequence[Call]) -> Lot:
        """The lot that calls make."""
        if self._next is not None:
            (redactor, price), self._next = self._next, None
            self._turn_over(redactor, price)
        lot = Lot()
        for call in calls:
            try:
                self._take(call, lot)
            except Exception:  # noqa: BLE001 - a body may hold anything; one that trips us costs itself only
                self.unreadable += 1
        return lot

    def _take(self, call: Call, lot: Lot) -> None:
        question = None
        if call.protocol in KEPT and call.ended is not _REFUSED:
            question = self._question(call)
            self.unreadable += question is None
        if question is None:
            self._count(call, lot)
        else:
            self._keep(call, question, self._reply(call), lot)

    # One side at a time

    def _question(self, call: Call) -> _Question | None:
        known = self._questions.get((call.protocol, call.request))
        if known is None:
            try:
                read = asked(call.protocol, call.request)
            except UnreadableLine:
                return None
            known = self._question_of(read, size=_held(call.request))
            self._questions.put((call.protocol, call.request), known)
        known.seen += 1
        return known

    def _question_of(self, read: Asked, *, size: int) -> _Question:
        body = request_body(read.body, read.request)
        return _Question(
            asked=read,
            clean=is_clean(read.body, read.request, self._redactor),
            key=key(request_key(read.request)),
            body=KeptBody(body.hash, self._pack(body.data)),
            size=size,
            dialect=read.dialect.value,
            endpoint=read.request.endpoint.value,
        )

    def _reply(self, call: Call) -> _Reply:
        name = (call.spoken, call.status, call.ended, call.response)
        known = self._replies.get(name)
        if known is None:
            read = answered(
                call.spoken,
                call.response,
                status=call.status,
                ended=call.ended,
                problem=self._redactor.text(call.problem),
            )
            known = self._reply_of(read, size=_held(call.response))
            if call.response:  # without an answer the problem is what there is to know
                self._replies.put(name, known)
        return known

    def _reply_of(self, read: Answered, *, size: int) -> _Reply:
        body, failure = answer_body(read.body, read.answer), read.answer.failure
        return _Reply(
            answered=read,
            clean=is_clean(read.body, read.answer, self._redactor),
            body=KeptBody(body.hash, self._pack(body.data)),
            size=size,
            usage=usage_row(read.usage),
            failure=None if failure is None else failure.kind.value,
        )

    # Both sides together

    def _keep(self, call: Call, question: _Question, reply: _Reply, lot: Lot) -> None:
        who = _Who(call.user or question.asked.user, call.conversation or question.asked.conversation)
        placed = self._place(call, question)
        leaves = self.may_leave(placed.workload_id)
        named = self._named(who) if leaves and question.clean and reply.clean else None
        learned = None
        fidelity = question.asked.fidelity
        notes: dict[str, JSON] = {}
        if named is None:
            redactor = self._redactor if leaves else self._dropping
            whole = redacted(_exchange(call, question.asked, reply.answered, who), redactor)
            fidelity, notes = whole.fidelity, dict(whole.metadata)
            named = _Who(whole.user, whole.conversation)
            seen = question.seen
            if redactor.policy is Policy.DROP and leaves:
                learned = question.asked.request  # as a scan does: what it says is learned from and not kept
                if placed is NOWHERE:
                    self._placing.put_aside(whole.request, learned, size=len(call.request))
            question = self._question_of(
                replace(question.asked, body=whole.request_body, request=whole.request), size=0
            )
            question.seen = seen
            reply = self._reply_of(replace(reply.answered, body=whole.response_body, answer=whole.answer), size=0)
        if leaves:
            self._learn(call, question, learned or question.asked.request)
        bill = self._count(call, lot, placed=placed, reply=reply.answered)
        flags = ", ".join(fidelity) or None
        notes[NOTE] = _note(call, bill, self._redactor)
        more = (flags, key_or_none(named.conversation), None, key_or_none(named.user), SOURCE, _ENCODER.encode(notes))
        where = (_SERVED[call.served], self._column(placed.workload_id), self._column(placed.prompt_id))
        lot.arrivals.append(Arrival((*self._row(call, question, reply), *more, *where), question.body, reply.body))
        lot.size += _ROW_BYTES + len(call.request) + len(call.response)
        if self.wanted(call):
            asked_, answered_ = question.asked, reply.answered
            each = Kept(call=call, asked=asked_, answered=answered_, placed=placed, cost=bill.cost, who=named)
            lot.kept.append(each)

    def _named(self, who: _Who) -> _Who | None:
        """Who it was, as may be kept; `None` where a name holds something that must be looked for in the bodies, too."""
        if who.user is None and who.conversation is None:
            return who
        each = self._redactor.pass_over()
        named = _Who(*(None if name is None else each.identity(name) for name in who))
        return None if each.met else named

    def _row(self, call: Call, question: _Question, reply: _Reply) -> Row:
        answered_ = reply.answered
        id_ = key(call.call_id)
        model = answered_.answer.model or call.model or question.asked.request.model
        return (
            id_,
            id_,
            question.key,
            question.dialect,
            question.endpoint,
            self._column(model) if len(model) <= _SHORT else kept(model),
            self.provider(call.upstream),
            None if answered_.tier is None else kept(answered_.tier),
            *reply.usage,
            call.started_us,
            call.latency_s,
            call.first_byte_s if call.streamed else None,
            reply.failure,
        )

    def _column(self, text: str | None) -> str | None:
        """A name as a column takes it; the same few names come with every call."""
        if text is None:
            return None
        found = self._columns.get(text)
        if found is None:
            if len(self._columns) >= _COLUMNS:
                self._columns.clear()
            found = self._columns[text] = key(text)
        return found

    def _place(self, call: Call, question: _Question) -> Placed:
        """Where a call belongs: as its data plane found, or as is found here."""
        if call.workload_id is not None:
            return Placed(call.workload_id, call.prompt_id)
        if question.placed_by != self._placing.version:
            question.placed, question.placed_by = self._placing.place(question.asked.request), self._placing.version
        return question.placed

    def _learn(self, call: Call, question: _Question, request: Request) -> None:
        """Learn from a request, as it is kept (or as it was, where no text is); from one that comes again and again ever more rarely."""
        if question.seen <= _LEARNED_ALWAYS or question.seen & (question.seen - 1) == 0:
            self._placing.learn(request, at=moment(call.started_us))

    # Sums

    def _count(self, call: Call, lot: Lot, *, placed: Placed = NOWHERE, reply: Answered | None = None) -> _Bill:
        """Add a call to the sums; what it cost."""
        model = self._model(call, reply)
        workload = placed.workload_id or call.workload_id or ""
        slot = Slot(call.started_us // HOUR_US * HOUR_US, workload, model, call.key_id or "", _SERVED[call.served])
        tally = lot.tallies.get(slot)
        if tally is None:
            tally = lot.tallies[slot] = Tally()
        closed = call.ended is _CLOSED
        if reply is None:
            tally.count(failed=not closed and (call.ended is not _DONE or call.status >= 400), closed=closed)
            return _FREE
        bill = self._bill(call, model, reply)
        tally.count(
            failed=not closed and reply.answer.failure is not None,
            closed=closed,
            latency_s=call.latency_s,
            first_s=call.first_byte_s if call.streamed else None,
            usage=reply.usage,
            cost=bill.cost,
            instead=bill.instead,
        )
        return bill

    def _model(self, call: Call, reply: Answered | None) -> str:
        """The model to count a call under: as it answered. A name that only callers know is not counted by itself."""
        told = None if reply is None else reply.answer.model
        if told is None and reply is not None and reply.answer.failure is None:
            told = call.model
        if told is not None and len(self._models) < _MODELS:
            self._models.add(told)
        model = told or call.model
        return model if model in self._models else OTHER_MODEL

    def _bill(self, call: Call, model: str, reply: Answered) -> _Bill:
        usage = reply.usage
        told = usage.fresh is not None or usage.visible is not None
        if not told and reply.answer.failure is not None and call.ended is not _CLOSED:
            return _FREE  # an error is not billed
        cost = self._cost(model, self.provider(call.upstream), usage, call.started_us, tier=reply.tier)
        instead = cost
        if cost is not None and call.served is _CANDIDATE:
            instead = self._cost(call.model, _MAKERS.get(call.protocol, "openai"), usage, call.started_us)
        if len(call.attempts) > 1:
            cost = self._with_attempts(call, cost)
        return _Bill(cost, instead)

    def _with_attempts(self, call: Call, cost: int | None) -> int | None:
        """A cost, and that of answers which were paid for and given to nobody; not known where one of them is not."""
        for each in call.attempts:
            if each.input is not None and cost is not None:
                usage = Usage(fresh=each.input, visible=each.output)
                more = self._cost(each.model, self.provider(each.upstream), usage, call.started_us)
                cost = None if more is None else cost + more
        return cost

    def _cost(
        self, model: str, provider: str | None, usage: Usage, at_us: int, *, tier: str | None = None
    ) -> int | None:
        name = (model, provider, usage, at_us // DAY_US, tier)
        if name not in self._costs:
            if len(self._costs) >= _COSTS:
                self._costs.clear()
            try:
                self._costs[name] = self._look_up(model, provider, usage, moment(at_us), tier)
            except PriceListError:
                return None  # not for long: what is not known now is asked again
        return self._costs[name]

    def _look_up(self, model: str, provider: str | None, usage: Usage, at: datetime, tier: str | None) -> int | None:
        money = self._price(model, provider, usage, at, tier=tier).money
        rate = None if money is None else self._rate(money.currency)
        return None if money is None or rate is None else int(money.amount * rate * DOLLAR)


def _held(body: bytes) -> int:
    """About what is held of a body that was read: its bytes, its values and its records; short texts take the most room."""
    return 6 * len(body) + 2_000


def _note(call: Call, bill: _Bill, redactor: Redactor) -> JSON:
    """How a call went, for whoever reads the ledger."""
    note: dict[str, JSON] = {
        "served": _SERVED[call.served],
        "stage": call.stage,
        "status": call.status,
        "ended": _ENDED[call.ended],
        "upstream": call.upstream,
        "cost": bill.cost,
        "instead": bill.instead,
    }
    if call.key_id is not None:
        note["key"] = call.key_id
    if len(call.attempts) > 1:
        note["attempts"] = [
            [each.upstream, each.status, redactor.text(each.problem) if each.problem else ""] for each in call.attempts
        ]
    if call.problem:
        note["problem"] = redactor.text(call.problem)
    if call.spoken is not call.protocol:
        note["spoken"] = call.spoken.value
    if call.route_version:
        note["route"] = call.route_version
    return note


def _exchange(call: Call, question: Asked, reply: Answered, who: _Who) -> Exchange:
    return Exchange(
        id=call.call_id,
        row_hash=call.call_id,
        dialect=question.dialect,
        request=question.request,
        answer=reply.answer,
        request_body=question.body,
        response_body=reply.body,
        usage=reply.usage,
        tier=reply.tier,
        started_at=moment(call.started_us),
        latency_s=call.latency_s,
        conversation=who.conversation,
        user=who.user,
        source=SOURCE,
        first_token_s=call.first_byte_s if call.streamed else None,
        fidelity=question.fidelity,
    )
