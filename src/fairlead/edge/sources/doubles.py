"""Calls that several instrumentations recorded, one inside the other, counted once in whatever order the two come.

The inner record stands nearest to what was sent, and an outer one often sums up several: the inner one is given, with what it
does not say taken from the outer one if it stands for this one alone, and the outer one is passed over. In most logs what
is inside ends first and comes first. Where records come in the order of their beginnings, a call is held while the next few
thousand are read; one that does not tell its prompt or its counts waits to the end. Memory holds names, the rest is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fairlead.core.nouns import JSON
from fairlead.core.wire import fields
from fairlead.edge.sources.kept import Kept
from fairlead.edge.sources.seen import Met, SeenIds

HELD = 4096
"""How many calls are held, and up to twice as many, where what is inside them is still to come."""
_SEEN = 65_536
"""Of how many records before, and up to twice as many, it is known that they came before: far more than are held."""


class Doubles:
    """Takes records of calls and gives each call once; `None` in its stead is a record of a call that is given by another.

    `name` and `outer` tell which record one is, and in which it was recorded. `told` is what was counted, or how it failed,
    of one that needs no other to be understood. `both` puts what an outer record says into an inner one that does not say it.
    `holds` says that calls are held also where what is inside comes first: the outer record has more than the inner one needs.
    """

    def __init__(
        self,
        *,
        name: Callable[[dict[str, JSON]], str | None],
        outer: Callable[[dict[str, JSON]], str | None],
        told: Callable[[dict[str, JSON]], str | None],
        both: Callable[[dict[str, JSON], dict[str, JSON]], dict[str, JSON]],
        holds: bool = False,
    ) -> None:
        self._name = name
        self._outer = outer
        self._told = told
        self._both = both
        self._holds = holds
        self._seen: set[int] = set()
        self._seen_before: set[int] = set()
        self._is_outer_first = False
        self._held: Kept = Kept()
        self._held_before: Kept = Kept()
        self._number = 0
        self._inside: dict[str, str] = {}
        self._inside_before: dict[str, str] = {}
        self._waiting = Kept()
        self._last = Kept()
        self._awaited = SeenIds()
        self._around = SeenIds()
        self._given = SeenIds()

    def __contains__(self, name: str) -> bool:
        """Whether a call of this name was given, or passed over for another record of it."""
        return name in self._given or name in self._around

    def see(self, record: dict[str, JSON]) -> None:
        """Learn from any record, a call or not, whether what is outside comes first."""
        name, outer = self._name(record), self._outer(record)
        if outer is not None:
            around = hash(outer)
            self._is_outer_first = around in self._seen or around in self._seen_before
        if name is not None:
            self._seen.add(hash(name))
        if len(self._seen) >= _SEEN:
            self._seen_before, self._seen = self._seen, set()

    def pass_over(self, call: dict[str, JSON]) -> Iterator[None]:
        """Remember a record whose call is given by one inside it: the record around it tells that call too."""
        name, outer = self._name(call), self._outer(call)
        around = self._taken_around(call)
        for each in (name, outer):
            if each is not None:
                self._around.meet(each, "")
        if name is not None:
            self._hand_in(name, self._whole(call, around))
        yield from [None] * (1 + len(around))

    def take(self, call: dict[str, JSON]) -> Iterator[dict[str, JSON] | None]:
        """Give a call, or keep it until more is told of it."""
        name, outer = self._name(call), self._outer(call)
        if name is None:
            yield call
            return
        if name in self._around:
            yield from self.pass_over(call)
            return
        told = self._told(call)
        if outer is not None and self._is_given(outer, told):
            self._given.meet(name, told or "")
            yield None
            return
        around = self._taken_around(call)
        yield from [None] * len(around)
        if around and (not told or name in self._awaited):
            call, around = self._whole(call, around), []
            told = self._told(call)
        if told and name not in self._awaited:
            yield from self._give(name, outer, call, told, self._whole(around[0], around[1:]) if around else None)
        else:
            yield from self._wait(name, outer, call)

    def _hand_in(self, name: str, outer: dict[str, JSON] | None) -> None:
        """Keep the record around a held call with it, or keep none where it is around several."""
        inner = self._inside[name] if name in self._inside else self._inside_before.get(name)
        for kept in (self._held, self._held_before):
            found = kept.take(inner) if inner else None
            if inner and isinstance(found, dict):
                kept.put(inner, {**found, "around": outer})

    def _is_given(self, outer: str, told: str | None) -> bool:
        """Whether the record around one was given, and counted the same: one that sums up several does not."""
        return outer in self._given and self._given.meet(outer, told or "") is Met.SAME

    def _taken_around(self, call: dict[str, JSON]) -> list[dict[str, JSON]]:
        """The records around one that are held or wait, taken out, from the inside out; they and the next around tell its call."""
        found: list[dict[str, JSON]] = []
        while (outer := self._outer(found[-1] if found else call)) is not None:
            around = self._taken(outer)
            if found or around is not None:
                self._around.meet(outer, "")
            if around is None:
                break
            found.append(around)
        return found

    def _whole(self, call: dict[str, JSON], around: Sequence[dict[str, JSON]]) -> dict[str, JSON]:
        """A record with what those around it say, of which the nearer goes first."""
        told: dict[str, JSON] | None = None
        for each in reversed(around):
            told = each if told is None else self._both(each, told)
        return call if told is None else self._both(call, told)

    def _taken(self, name: str) -> dict[str, JSON] | None:
        """The record of this name that is held or waits, taken out."""
        for kept in (self._held, self._held_before):
            record = fields.mapping_or_empty(kept.take(name))
            call, around = record.get("call"), record.get("around")
            if isinstance(call, dict):
                return self._both(call, around) if isinstance(around, dict) else call
        for kept in (self._waiting, self._last):
            waited = kept.take(name)
            if isinstance(waited, dict):
                return waited
        return None

    def _give(
        self, name: str, outer: str | None, call: dict[str, JSON], told: str, around: dict[str, JSON] | None
    ) -> Iterator[dict[str, JSON]]:
        if outer is not None:
            self._around.meet(outer, "")
        if not (self._holds or self._is_outer_first or around is not None):
            self._given.meet(name, told)
            yield call
            return
        if outer is not None and (outer in self._inside or outer in self._inside_before):
            self._hand_in(outer, None)
            self._inside[outer] = ""
        elif outer is not None:
            self._inside[outer] = name
        other = self._taken(name) if name in self._held or name in self._held_before else None
        if other is not None:  # two records under one name: neither is lost
            yield other
        self._held.put(name, {"call": call, "told": told, "around": around})
        self._number += 1
        if self._number >= HELD:
            yield from self._released(self._held_before)
            self._held_before, self._held, self._number = self._held, Kept(), 0
            self._inside_before, self._inside = self._inside, {}

    def _released(self, held: Kept) -> Iterator[dict[str, JSON]]:
        """Give what is held and was not taken by what is inside it."""
        for name, kept in held.rest():
            record = fields.mapping_or_empty(kept)
            call, around = record.get("call"), record.get("around")
            if isinstance(call, dict):
                self._given.meet(name, str(record.get("told")))
                yield self._both(call, around) if isinstance(around, dict) else call

    def _wait(self, name: str, outer: str | None, call: dict[str, JSON]) -> Iterator[dict[str, JSON]]:
        other = self._waiting.take(name)
        if isinstance(other, dict):
            yield other
        self._waiting.put(name, call)
        if outer is not None:
            self._awaited.meet(outer, "")

    def end(self) -> Iterator[dict[str, JSON] | None]:
        """Give what is held, and what waited, each with the record around it where that waited too; more may be taken then."""
        yield from self._released(self._held_before)
        yield from self._released(self._held)
        self._number = 0
        for name, call in self._waiting.rest():
            if isinstance(call, dict) and name in self._awaited:
                self._last.put(name, call)
            elif isinstance(call, dict):
                yield from self._ended(name, call)
        for name, call in self._last.rest():
            if isinstance(call, dict):
                yield from self._ended(name, call)

    def _ended(self, name: str, call: dict[str, JSON]) -> Iterator[dict[str, JSON] | None]:
        if name in self._around:
            yield None
            return
        around = self._taken_around(call)
        yield from [None] * len(around)
        if (outer := self._outer(call)) is not None:
            self._around.meet(outer, "")
        self._given.meet(name, "")
        yield self._whole(call, around)
