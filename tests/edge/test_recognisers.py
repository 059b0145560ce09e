"""What the borrowed libraries are asked, and for which regions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.redact.numbers import FORMATS, LETTERED
from fairlead.edge.recognisers import Recognisers


@pytest.mark.parametrize(
    ("regions", "number", "is_found"),
    [
        (("GB",), "020 7946 0958", True),
        (("US",), "020 7946 0958", False),
        (("EU",), "0912 345 678", True),
        (("VN",), "0912 345 678", True),
        (("US",), "+44 20 7946 0958", True),
        (("US",), "+44 20 7946 09581234", False),
    ],
)
def test_national_numbers_are_known_in_the_chosen_regions_only(
    regions: tuple[str, ...], number: str, is_found: bool
) -> None:
    assert Recognisers(regions).is_phone(number, strict=False) is is_found


def test_strict_asks_for_the_groups_a_country_writes() -> None:
    checks = Recognisers(("GB",))
    assert checks.is_phone("020 7946 0958", strict=True)
    assert not checks.is_phone("0207 94 60 958", strict=True)
    assert checks.is_phone("07400 123 456", strict=True)


@pytest.mark.parametrize(
    ("scheme", "number", "is_valid"),
    [("gb.nino", "AB123456C", True), ("gb.nino", "BG123456C", False), ("vn.cccd", "001099012345", True), ("vn.cccd", "999099012345", False)],
)  # fmt: skip
def test_what_the_library_lacks_follows_the_published_rules(scheme: str, number: str, is_valid: bool) -> None:
    assert Recognisers().is_valid(scheme, number) is is_valid


SCHEMES = sorted({name for each in FORMATS for name in each.schemes} | {name for row in LETTERED for name in row[3]})


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=40, deadline=None)
@given(number=st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ -/.", min_size=1, max_size=26))
def test_every_scheme_of_the_formats_exists_and_answers_whatever_it_is_asked(scheme: str, number: str) -> None:
    assert Recognisers().is_valid(scheme, number) in {True, False}
