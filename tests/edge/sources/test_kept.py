"""A pile of records on disk gives back what a dict would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairlead.edge.sources.kept import Kept

NAMES = [f"name {n}" for n in range(150)]


@given(
    st.lists(st.tuples(st.sampled_from(["put", "take", "rest"]), st.sampled_from(NAMES)), max_size=40),
    st.integers(0, 150),
)
def test_a_pile_gives_back_what_was_put_in_last_and_each_once(steps, many):
    pile, held = Kept(), {}
    for number, (step, name) in enumerate([("put", name) for name in NAMES[:many]] + steps):
        if step == "put":
            held.pop(name, None)
            held[name] = {"number": number}
            pile.put(name, {"number": number})
        elif step == "take":
            assert pile.take(name) == held.pop(name, None)
        elif name < "name 2":
            assert list(pile.rest()) == list(held.items())
            held.clear()
        assert (name in pile) == (name in held)
    assert list(pile.rest()) == list(held.items())


def test_a_record_taken_while_the_rest_is_given_is_not_given_again():
    pile = Kept()
    for name in NAMES[:4]:
        pile.put(name, name)
    given_out = [name for name, _ in pile.rest() if pile.take("name 2") in (None, "name 2")]
    assert given_out == ["name 0", "name 1", "name 3"]
