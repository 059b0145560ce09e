from __future__ import annotations

import copy
import pickle
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace

import msgspec
import pytest

from fairlead.core import nouns
from fairlead.core.ids import plain
from fairlead.core.quick import quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """A record."""

    word: str
    weight: float = 1.0
    counts: dict[str, int] = field(default_factory=dict[str, int])
    whole: bool | None = None

    @property
    def twice(self) -> float:
        """Two of it."""
        return 2 * self.weight


Fast = quick(Slow)

RECORDS = [
    kind
    for kind in vars(nouns).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == nouns.__name__
]


def test_a_quick_record_is_made_shown_and_written_as_the_dataclass_is() -> None:
    slow, fast = Slow(word="a", counts={"b": 1}), Fast(word="a", counts={"b": 1})
    assert isinstance(fast, msgspec.Struct)
    assert repr(fast) == repr(slow)
    assert fast.twice == slow.twice == 2.0
    assert Fast.__doc__ == Slow.__doc__
    assert asdict(fast) == asdict(slow) == plain(fast)  # pyright: ignore[reportArgumentType]
    assert msgspec.json.encode(fast) == msgspec.json.encode(slow)
    assert [f.name for f in fields(Fast)] == ["word", "weight", "counts", "whole"]


def test_a_quick_record_never_changes_and_is_replaced_instead() -> None:
    record = Fast(word="a")
    with pytest.raises(AttributeError):
        record.word = "b"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert replace(record, word="b") == Fast(word="b") != record


def test_two_quick_records_do_not_share_what_was_made_for_one() -> None:
    one, other = Fast(word="a"), Fast(word="a")
    one.counts["b"] = 1
    assert other.counts == {}


def test_a_quick_record_refuses_fields_it_does_not_have_and_positions() -> None:
    with pytest.raises(TypeError):
        Fast(word="a", colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        Fast("a")  # type: ignore[misc]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        Fast()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_equal_quick_records_have_one_hash_and_other_classes_are_other_records() -> None:
    assert nouns.Usage(fresh=1) == nouns.Usage(fresh=1)
    assert len({nouns.Usage(fresh=1), nouns.Usage(fresh=1), nouns.Usage(fresh=2)}) == 2
    assert nouns.Failure(kind=nouns.FailureKind.CUT) != nouns.ToolCall(name="cut", arguments=None)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_the_records_of_a_line_of_a_log_are_dataclasses_for_everybody_who_asks(kind: type[object]) -> None:
    assert is_dataclass(kind)
    assert set(typing.get_type_hints(kind)) >= {f.name for f in fields(kind)}
    assert kind.__qualname__ == kind.__name__


def test_a_quick_record_travels_between_processes_and_is_copied() -> None:
    part = nouns.Part(kind=nouns.PartKind.TEXT, text="words", arguments={"a": [1]})
    turn = nouns.Message(role="user", parts=(part,))
    for there_and_back in (pickle.loads(pickle.dumps(turn)), copy.deepcopy(turn), copy.copy(turn)):
        assert there_and_back == turn
    assert {each.__name__ for each in RECORDS} >= {"Exchange", "Request", "Answer", "Usage", "Message", "Part"}
