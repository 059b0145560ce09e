"""What a user decides about workloads: names, merges, splits, pins, and where the texts of one may go.

Every decision is kept in the ledger (the grouper's wishes, and the data classes), so that no later scan, link or restart
undoes it; exchanges already on file follow at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

from fairlead import scan
from fairlead.core.errors import UsageError
from fairlead.core.nouns import JSON, Workload
from fairlead.core.redact import DataClass
from fairlead.core.workload import Grouper, share
from fairlead.edge.app import scanning
from fairlead.edge.app.classes import CLASSES
from fairlead.edge.app.desk import Desk
from fairlead.edge.language import Languages


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptVersion:
    """One version of a workload's prompt: its id, how many calls were made with it, and how its first one begins."""

    id: str
    calls: int
    begins: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One workload in full; `aliases` are ids that turned out to be this workload's and stay valid."""

    found: scanning.FoundWorkload
    prompts: tuple[PromptVersion, ...]
    aliases: tuple[str, ...]
    pinned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What became of a decision: the workload as it is now, and the exchanges that moved."""

    workload: Workload
    moved: int = 0


def detail(desk: Desk, wanted: str, *, currency: str) -> Detail:
    """One workload with everything that is known of it."""
    workload = desk.workload(wanted)
    grouper = share.load(desk.ledger)
    survey = scanning.survey(desk, currency=currency)
    found = next((each for each in survey.workloads if each.id == workload.id), None)
    if found is None:
        raise UsageError(f"{workload.name!r} has no exchanges in the ledger.")
    aliases = tuple(old for old, now in grouper.aliases.items() if now == workload.id)
    return Detail(
        found=found, prompts=prompts(desk, workload.id), aliases=aliases, pinned=grouper.is_pinned(workload.id)
    )


def prompts(desk: Desk, workload_id: str) -> tuple[PromptVersion, ...]:
    """The versions of a workload's prompt, the most used first."""
    counted = desk.ledger.prompts(workload_id)
    begins = {prompt: "" for prompt, _ in counted}
    firsts = desk.ledger.first_of_prompts(workload_id)
    for prompt, id_ in firsts.items():
        request = desk.ledger.exchange(id_).request
        begins[prompt] = " ".join((request.system or next((turn.text for turn in request.messages), "")).split())[:160]
    return tuple(PromptVersion(id=prompt, calls=calls, begins=begins[prompt]) for prompt, calls in counted)


def rename(desk: Desk, wanted: str, name: str) -> Decided:
    """Call a workload by a name of the user's choice."""
    workload = desk.workload(wanted)
    if not name.strip():
        raise UsageError("A workload's name cannot be empty.")
    taken = [each for each in desk.ledger.workloads() if each.name.casefold() == name.strip().casefold()]
    if taken and taken[0].id != workload.id:
        raise UsageError(f"{taken[0].id} is already called {taken[0].name!r}; choose another name, or merge the two.")
    grouper, _ = share.decide(desk.ledger, lambda each: each.rename(workload.id, name))
    return Decided(workload=_listed(desk, grouper)[workload.id])


def merge(desk: Desk, wanted: str, *, into: str) -> Decided:
    """Make one workload of two: the exchanges of the first become the other's, and its id stays valid as an alias."""
    workload, home = desk.chosen([wanted, into])
    if workload.id == home.id:
        raise UsageError(f"{workload.name!r} cannot be merged into itself; name another workload with --into.")
    grouper, _ = share.decide(desk.ledger, lambda each: each.merge(workload.id, into=home.id))
    moved = [(row.seq, home.id, row.prompt_id) for row in desk.ledger.each_row(workload.id)]
    desk.ledger.assign(moved)
    _set_class(desk, home.id, _stricter(desk, workload, home))
    return Decided(workload=_listed(desk, grouper)[home.id], moved=len(moved))


def split(desk: Desk, prompt_id: str) -> Decided:
    """Give one prompt version a workload of its own, which no later scan joins to another."""
    rows = desk.ledger.prompt_rows(prompt_id)
    homes = {home for _, home in rows if home is not None}
    if not rows:
        raise UsageError(
            f"No exchange has the prompt version {prompt_id!r}; `fairlead workload show NAME` lists those of one."
        )
    grouper, made = share.decide(desk.ledger, lambda each: each.split(prompt_id))
    desk.ledger.assign([(seq, made, prompt_id) for seq, _ in rows])
    first = next(iter(homes), None)
    before = next((each for each in desk.ledger.workloads() if each.id == first), None)
    if before is not None:
        _set_class(desk, made, desk.data_class(before))
    return Decided(workload=_listed(desk, grouper, made)[made], moved=len(rows))


def pin(desk: Desk, wanted: str, *, held: bool) -> Decided:
    """Keep a workload from being joined to another one by a later scan, or let it go."""
    workload = desk.workload(wanted)
    share.decide(desk.ledger, lambda each: each.pin(workload.id, held=held))
    return Decided(workload=workload)


def classify(desk: Desk, wanted: str, data_class: DataClass) -> Decided:
    """Say where the texts of a workload may go."""
    workload = desk.workload(wanted)
    if data_class is DataClass.ANY and desk.settings.privacy.data_class(workload) is not DataClass.ANY:
        raise UsageError(
            f"The settings say {desk.settings.privacy.data_class(workload).value!r} of {workload.name!r}; change it in fairlead.toml."
        )
    _set_class(desk, workload.id, data_class)
    return Decided(workload=workload)


def _set_class(desk: Desk, workload_id: str, data_class: DataClass) -> None:
    def changed(state: JSON) -> JSON:
        others = {id_: word for id_, word in (state if isinstance(state, dict) else {}).items() if id_ != workload_id}
        return others if data_class is DataClass.ANY else {**others, workload_id: data_class.value}

    desk.ledger.change_state(CLASSES, changed)


def _stricter(desk: Desk, one: Workload, other: Workload) -> DataClass:
    both = {desk.data_class(one), desk.data_class(other)}
    return DataClass.LOCAL_ONLY if DataClass.LOCAL_ONLY in both else DataClass.ANY


def _listed(desk: Desk, grouper: Grouper, *fresh: str) -> dict[str, Workload]:
    """The ledger's list of workloads after a decision: those that have exchanges, by their names of now."""
    held = {each.id: each for each in desk.ledger.workloads() if grouper.resolve(each.id) == each.id}
    for id_ in fresh:
        first = next(islice(desk.ledger.exchanges(id_), 1), None)
        if first is not None:
            guess = scan.guess(desk.ledger.exchanges(id_), Languages())
            held[id_] = Workload(id=id_, name=grouper.name(id_), guess=guess, endpoint=first.request.endpoint)
    with_calls = {each.id: each for each in held.values() if desk.ledger.holds(each.id)}
    named = {id_: replace(each, name=grouper.name(id_)) for id_, each in with_calls.items()}
    desk.ledger.set_workloads(named.values())
    return named
