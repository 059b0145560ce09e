"""Times, from whatever a log writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.wire.moment import moment

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00z",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00",
        "2026-03-01 12:00:00 UTC",
        "2026-03-01T13:00:00+01:00",
        "2026-03-01T12:00:00.000000000Z",
        1772366400,
        1772366400.0,
        "1772366400",
        1772366400_000,
        1772366400_000_000,
        "1772366400000000000",
    ],
)
def test_one_noon_written_in_many_ways_is_one_noon(written):
    assert moment(written, now=NOW) == (NOON, False)


@pytest.mark.parametrize(
    "written",
    [
        "2014-12-31T23:59:59Z",
        "1970-01-01",
        0,
        "9999-12-31T23:59:59-10:00",
        "0001-01-01T00:00:00+10:00",
        (NOW + timedelta(days=1, seconds=1)).isoformat(),
        "yesterday",
        True,
        [],
        {},
        10**400,
        -(10**15),
        "x" * 10_000,
        "nan",
        "inf",
    ],
)
def test_what_cannot_be_the_time_of_a_call_is_set_aside(written):
    assert moment(written, now=NOW) == (None, True)


@pytest.mark.parametrize("unit", [1, 1000, 10**6, 10**9])
@pytest.mark.parametrize("second", [1782010100, 1793010200, 1793112300])
def test_digits_are_counted_since_1970_even_where_they_could_be_a_day_of_long_ago(second, unit):
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert moment(str(second * unit), now=now).at == datetime.fromtimestamp(second, UTC)


@pytest.mark.parametrize("written", [None, ""])
def test_no_time_is_unknown_and_nothing_is_set_aside(written):
    assert moment(written, now=NOW) == (None, False)


def test_a_clock_that_runs_a_little_ahead_is_believed():
    ahead = NOW + timedelta(hours=23)
    assert moment(ahead.isoformat(), now=NOW).at == ahead


@given(st.datetimes(datetime.fromisoformat("2015-01-01"), datetime.fromisoformat("2026-11-01")))
def test_iso_times_come_back_to_the_microsecond(at):
    assert moment(at.isoformat(), now=NOW).at == at.replace(tzinfo=UTC)


@given(st.text() | st.floats() | st.integers())
def test_nothing_crashes_it(value):
    found = moment(value, now=NOW)
    assert found.at is None or found.at.tzinfo is UTC
