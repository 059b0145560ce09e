"""One look at everything that an exchange says: nearly every one holds nothing to take out, and that is told at once.

The walk that takes things out follows each value on its own, with its placeholders. This one only asks whether there is
anything: it gathers the texts that were not seen of late, whatever value they stand in, and has them looked at in one go.
Rules kept: what the walk would take out is never passed over (a look may say "perhaps" where there is nothing, never the other
way round); what cannot be judged here (a value nested too deeply, a kind of value that JSON does not have) is left to the walk.
"""

from __future__ import annotations

from typing import cast

import msgspec

from fairlead.core.nouns import JSON, Answer, Exchange, Request
from fairlead.core.redact.find import PAIRED, Finder

DEEPEST = 200
"""How deep values are followed; what lies deeper is not kept."""

SAME_EVERY_CALL = frozenset({"tools", "functions"})
"""Lists that an application sends with every call: looked at as a whole, by their bytes."""

SHORTEST_NUMBER = 1_000_000
NUMBERS = (int, float)
_SIMPLE = frozenset({type(None), bool, int, float})
_ENCODER = msgspec.json.Encoder()


class Glance:
    """Gathers what an exchange says; `is_clean` then tells whether none of it has anything to take out."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._texts: dict[str, None] = {}
        self._names: dict[str, None] = {}
        self._lists: list[bytes] = []
        self._perhaps = False

    def is_clean(self) -> bool:
        """Whether nothing that was gathered holds anything; what holds nothing is remembered."""
        if self._perhaps or not self._finder.are_clean(self._texts | self._names if self._names else self._texts):
            return False
        if self._names:
            self._finder.remember_clean_names(self._names)
        for written in self._lists:
            self._finder.remember_clean(written)
        return True

    def request(self, request: Request) -> None:
        """Gather the texts of a request as it was read; most of them are those of its body."""
        self.text(request.system)
        for turn in request.messages:
            for part in turn.parts:
                self.text(part.text)
                if part.arguments is not None:
                    self.value(part.arguments)
        for text in request.inputs:
            self.text(text)
        if request.parameters:
            self.value(cast("JSON", request.parameters))
        if request.schema is not None:
            self.value(cast("JSON", request.schema))
        self.tools(request)

    def tools(self, request: Request) -> None:
        """Gather a request's tools."""
        if request.tools:
            self._sent_again(request.tools)

    def answer(self, answer: Answer) -> None:
        """Gather the texts of an answer as it was read."""
        self.text(answer.text)
        self.optional(answer.model)
        self.optional(answer.finish)
        for call in answer.tool_calls:
            self.text(call.name)
            self.optional(call.call_id)
            self.value(call.arguments)
        if answer.failure is not None:
            self.text(answer.failure.detail)

    def inside(self, exchange: Exchange) -> None:
        """Gather the bodies and what was read from them."""
        self.value(exchange.request_body)
        self.request(exchange.request)
        self.value(exchange.response_body)
        self.answer(exchange.answer)

    def around(self, exchange: Exchange) -> None:
        """Gather what stands beside the bodies."""
        if exchange.metadata:
            self.value(cast("JSON", exchange.metadata))
        self.optional(exchange.user)
        self.optional(exchange.conversation)
        self.optional(exchange.provider)

    def text(self, text: str) -> None:
        """Gather a text that stands under no name."""
        if self._finder.seen.get(text, True):
            self._texts[text] = None

    def optional(self, text: str | None) -> None:
        """Gather a text that may be missing."""
        if text is not None:
            self.text(text)

    def value(self, value: JSON) -> None:
        """Gather a JSON value, level by level: a call of a function for each of its values takes longer than the looking."""
        if type(value) is str:
            self.text(value)
            return
        level: list[tuple[JSON, str]] = [(value, "")]
        for _ in range(DEEPEST):
            inner: list[tuple[JSON, str]] = []
            for each, name in level:
                if type(each) is dict:
                    self._members(each, inner)
                elif type(each) is list:
                    self._items(each, name, inner)
                elif type(each) is str:
                    self._announced(each, name)
                else:
                    self._other(each, name)
            if not inner:
                return
            level = inner
        self._perhaps = True

    def _members(self, value: dict[str, JSON], inner: list[tuple[JSON, str]]) -> None:
        """Hundreds of members a call go through here, nearly all of them short texts that were seen before."""
        telling, seen, texts = self._finder.clean_names, self._finder.seen, self._texts
        is_pair = False
        for name, member in value.items():
            told = telling.get(name)
            if told is None:
                told = self._finder.telling(name)
                self._names[name] = None
                is_pair = is_pair or name in PAIRED
            if type(member) is str:
                if told:
                    self._announced(member, told)
                elif seen.get(member, True):
                    texts[member] = None
            elif type(member) is dict or type(member) is list:
                if name in SAME_EVERY_CALL and type(member) is list:
                    self._sent_again(member)
                else:
                    inner.append((member, told))
            elif told or type(member) not in _SIMPLE:
                self._other(member, told)
        if is_pair:
            self._pair(value, inner)

    def _pair(self, value: dict[str, JSON], inner: list[tuple[JSON, str]]) -> None:
        """The value of a name that stands beside it: `{"name": "api_key", "value": …}`."""
        told = self._finder.paired(value)
        for member in [value.get(name) for name in PAIRED] if told else ():
            if type(member) is str:
                self._announced(member, told)
            elif type(member) is list:
                inner.append((member, told))
            else:
                self._other(member, told)

    def _items(self, value: list[JSON], name: str, inner: list[tuple[JSON, str]]) -> None:
        if value and type(value[0]) in NUMBERS and all(type(item) in NUMBERS for item in value):
            return  # a vector
        if len(value) > 1 and type(value[0]) is str and not name:
            for place, told in self._finder.announced(value).items():
                inner.append((value[place], told))
        for item in value:
            if type(item) is str:
                self._announced(item, name) if name else self.text(item)
            elif type(item) is dict or type(item) is list:
                inner.append((item, name))
            else:
                self._other(item, name)

    def _sent_again(self, value: object) -> None:
        """A list of tools: known again by its bytes, and followed only when they are new."""
        try:
            written = _ENCODER.encode(value)
        except (UnicodeError, TypeError, RecursionError, OverflowError):
            self._perhaps = True
            return
        if self._finder.seen.get(written, True):
            self._lists.append(written)
            self.value(cast("JSON", msgspec.json.decode(written)))

    def _other(self, value: JSON, name: str) -> None:
        """What is neither a text nor holds one: numbers, and what the walk must judge."""
        if type(value) is int:
            if name and value >= SHORTEST_NUMBER:
                self._announced(str(value), name)
        elif type(value) not in _SIMPLE:
            self._perhaps = True

    def _announced(self, text: str, name: str) -> None:
        """A text in a field whose name says what it holds is looked at by itself."""
        if self._finder.find(text, name=name):
            self._perhaps = True
