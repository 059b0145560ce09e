"""Counts that several processes keep together."""

from __future__ import annotations

import mmap
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serve.counts import REQUESTS, TOKENS, Counts, board_bytes, tag_of

TAG = tag_of("k1")
HAMMER = """
import mmap, sys
from fairlead.serve.counts import REQUESTS, Counts, tag_of
number, path = int(sys.argv[1]), sys.argv[2]
with open(path, "r+b") as file:
    counts = Counts(memoryview(mmap.mmap(file.fileno(), 0)), number=number, processes=3, keys=4)
sys.stdin.readline()
print(sum(counts.use(tag_of("k1"), REQUESTS, 1.0, limit=500, now_s=600.0) is None for _ in range(2000)))
"""


def boards(processes, keys=4):
    shared = bytearray(board_bytes(processes=processes, keys=keys))
    return [Counts(shared, number=i, processes=processes, keys=keys) for i in range(processes)]


def use(counts, amount=1.0, *, limit=10.0, now_s=600.0, tag=TAG, what=REQUESTS):
    return counts.use(tag, what, amount, limit=limit, now_s=now_s)


def test_two_processes_share_one_limit():
    one, two = boards(2)
    let_in = [use(counts) is None for _ in range(8) for counts in (one, two)]
    assert sum(let_in) == 10
    assert one.used(TAG, REQUESTS, now_s=600.0) == two.used(TAG, REQUESTS, now_s=600.0) == 10.0


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abcdef"), st.floats(0.0, 30.0)), max_size=60))
def test_every_process_sees_the_same_counts_whatever_the_order(steps):
    processes, now = boards(3, keys=8), 600.0
    for number, name, gap in steps:
        now += gap
        use(processes[number], tag=tag_of(name), limit=5.0, now_s=now)
    for name in "abcdef":
        seen = {counts.used(tag_of(name), REQUESTS, now_s=now) for counts in processes}
        assert len(seen) == 1
        assert seen.pop() <= 5.0 + 1e-9


def test_three_processes_at_once_hold_the_limit(tmp_path):
    path = tmp_path / "board"
    path.write_bytes(bytes(board_bytes(processes=3, keys=4)))
    started = [
        subprocess.Popen(
            [sys.executable, "-c", HAMMER, str(number), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    let_in = sum(int(process.communicate(timeout=60)[0]) for process in started)
    assert 490 <= let_in <= 500


def test_a_minute_slides():
    counts = boards(1)[0]
    use(counts, 10.0, now_s=600.0)
    assert use(counts, now_s=659.0) == pytest.approx(7.0)
    assert counts.used(TAG, REQUESTS, now_s=690.0) == pytest.approx(5.0)
    assert counts.used(TAG, REQUESTS, now_s=720.0) == 0.0


def test_requests_and_tokens_are_counted_apart():
    counts = boards(1)[0]
    use(counts, 7.0, what=TOKENS)
    assert counts.used(TAG, REQUESTS, now_s=600.0) == 0.0
    counts.add(TAG, TOKENS, -9.0, now_s=600.0)
    assert counts.used(TAG, TOKENS, now_s=600.0) == 0.0


def test_a_process_that_takes_anothers_place_goes_on_with_its_counts():
    shared = bytearray(board_bytes(processes=1, keys=4))
    use(Counts(shared, number=0, processes=1, keys=4), 10.0)
    assert use(Counts(shared, number=0, processes=1, keys=4)) is not None


def test_more_keys_than_places_forget_the_quietest_first():
    one, two = boards(2, keys=2)
    use(one, 3.0, tag=tag_of("old"), now_s=540.0)
    use(one, 3.0, tag=tag_of("kept"))
    use(one, 3.0, tag=tag_of("new"))
    assert two.used(tag_of("kept"), REQUESTS, now_s=600.0) == two.used(tag_of("new"), REQUESTS, now_s=600.0) == 3.0
    assert two.used(tag_of("old"), REQUESTS, now_s=600.0) == 0.0


def test_it_works_on_a_mapped_file(tmp_path):
    path = tmp_path / "board"
    path.write_bytes(bytes(board_bytes(processes=1, keys=2)))
    with path.open("r+b") as file:
        counts = Counts(memoryview(mmap.mmap(file.fileno(), 0)), number=0, processes=1, keys=2)
    use(counts, 4.0)
    assert counts.used(TAG, REQUESTS, now_s=600.0) == 4.0
