"""What python-stdnum and phonenumbers know of the world's numbers, as `core.redact` asks for it.

Both are loaded at the first number that needs them: phonenumbers takes longer to load than most commands run.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any

REGIONS = ("GB", "US", "IN", "VN", "DE", "FR", "ES", "IT", "NL", "PL", "IE", "SE")
"""Regions whose national phone numbers are recognised unless settings name others; `EU` stands for its members."""

_UNION = (
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT",
    "NL", "PL", "PT", "RO", "SE", "SI", "SK",
)  # fmt: skip

_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")
_CCCD = re.compile(r"0(?:0[1-9]|[1-8]\d|9[0-6])[0-9]\d{8}|\d{9}")
_OWN: dict[str, Callable[[str], bool]] = {
    # Neither has a check digit nor a module in stdnum: the rules are those of HMRC (prefixes never issued) and of Vietnam's
    # Decree 137/2015 (province, century and sex, year), with the nine digits of older cards.
    "gb.nino": lambda number: _NINO.fullmatch(re.sub(r"[ -]", "", number)) is not None,
    "vn.cccd": lambda number: _CCCD.fullmatch(number) is not None,
}


def _is_global(number: str) -> bool:
    try:
        address = ipaddress.ip_address(number)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast


_OWN["ip"] = _is_global
_KEPT = 50_000
_DIGITS = re.compile(r"\d+")


class Recognisers:
    """Says which numbers are valid; remembers what it was asked."""

    def __init__(self, regions: Sequence[str] = REGIONS) -> None:
        each = (_UNION if region == "EU" else (region,) for region in regions)
        self._regions = tuple(dict.fromkeys(region for several in each for region in several))
        self.is_valid = lru_cache(_KEPT)(_is_valid)
        self._is_phone = lru_cache(_KEPT)(self._phone)

    def is_phone(self, number: str, *, strict: bool) -> bool:
        """Whether this can be dialled: `+` and country code, or as written in one of the regions."""
        return self._is_phone(number, strict)

    @cached_property
    def _phones(self) -> Any:
        return import_module("phonenumbers")

    def _phone(self, number: str, strict: bool) -> bool:  # noqa: FBT001 - a cached function takes plain arguments
        if "+" in number[:2]:
            return self._parsed(number, None) is not None
        for region in self._regions:
            parsed = self._parsed(number, region)
            if parsed is not None and (not strict or self._is_written_so(parsed, number, region)):
                return True
        return False

    def _parsed(self, number: str, region: str | None) -> Any:
        try:
            parsed = self._phones.parse(number, region)
        except self._phones.NumberParseException:
            return None
        return parsed if self._phones.is_valid_number(parsed) else None

    def _is_written_so(self, parsed: Any, number: str, region: str) -> bool:
        """Whether the digits stand in the groups in which the region writes them, or are a mobile number in any groups."""
        phones = self._phones
        usual = phones.format_number(parsed, phones.PhoneNumberFormat.NATIONAL)
        groups = _DIGITS.findall(number)
        if _DIGITS.findall(usual) == (groups[1:] if groups[0] == "1" else groups):
            return True
        return region == "GB" and phones.number_type(parsed) == phones.PhoneNumberType.MOBILE


def _is_valid(scheme: str, number: str) -> bool:
    own = _OWN.get(scheme)
    if own is not None:
        return own(number)
    return bool(import_module(f"stdnum.{scheme}").is_valid(number))
