"""Numbers that are valid by their check digits and belong to nobody: made here, so that no real one stands in the project."""

from __future__ import annotations

from string import ascii_uppercase

from stdnum import verhoeff
from stdnum.iso7064 import mod_97_10


def luhn(body: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(body)):
        n = int(digit) * (2 if place % 2 == 0 else 1)
        total += n - 9 if n > 9 else n
    return body + str(-total % 10)


def iban(country: str, bban: str) -> str:
    return country + mod_97_10.calc_check_digits(bban + country) + bban


def nhs(body: str) -> str:
    check = 11 - sum(int(d) * w for d, w in zip(body, range(10, 1, -1), strict=True)) % 11
    assert check != 10
    return body + str(check % 11)


def aadhaar(body: str) -> str:
    return body + verhoeff.calc_check_digit(body)


def pesel(body: str) -> str:
    return body + str(-sum(int(d) * w for d, w in zip(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True)) % 10)


def dni(body: str) -> str:
    return body + "TRWAGMYFPDXBNJZSQVHLCKE"[int(body) % 23]


def nir(body: str) -> str:
    return body + f"{97 - int(body) % 97:02}"


def codice_fiscale(body: str) -> str:
    odd = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23], strict=True))  # fmt: skip
    even = {letter: i % 10 if letter.isdigit() else i for i, letter in enumerate("0123456789")} | {
        letter: i for i, letter in enumerate(ascii_uppercase)
    }
    total = sum(odd[c] if i % 2 == 0 else even[c] for i, c in enumerate(body))
    return body + ascii_uppercase[total % 26]


def bsn(body: str) -> str:
    return body + str(sum(int(d) * w for d, w in zip(body, range(9, 1, -1), strict=True)) % 11)


def vietnamese_tax(body: str) -> str:
    weights = (31, 29, 23, 19, 17, 13, 7, 5, 3)
    return body + str(10 - sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11)
