"""What the borrowed libraries are asked, and for which regions."""

from __future__ import annotations

import pytest

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
    assert checks.is_phone("07700 900 123", strict=True)


@pytest.mark.parametrize(
    ("scheme", "number", "is_valid"),
    [("gb.nino", "AB123456C", True), ("gb.nino", "BG123456C", False), ("vn.cccd", "001099012345", True), ("vn.cccd", "999099012345", False)],
)  # fmt: skip
def test_what_the_library_lacks_follows_the_published_rules(scheme: str, number: str, is_valid: bool) -> None:
    assert Recognisers().is_valid(scheme, number) is is_valid


def test_every_scheme_the_formats_name_exists() -> None:
    from fairlead.core.redact.numbers import _LETTERED, FORMATS  # noqa: PLC0415 - the table is the point here

    named = {scheme for each in FORMATS for scheme in each.schemes} | {s for row in _LETTERED for s in row[3]}
    assert [scheme for scheme in sorted(named) if Recognisers().is_valid(scheme, "not a number")] == []
