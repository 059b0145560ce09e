from __future__ import annotations

import re
from unittest.mock import patch

import pytest

from fairlead.core.redact import Finder, Redactor, numbers
from fairlead.edge.recognisers import Recognisers
from made_up_numbers import (
    aadhaar,
    bsn,
    codice_fiscale,
    dni,
    iban,
    luhn,
    nhs,
    nir,
    pesel,
    vietnamese_tax,
)

CARD = luhn("400000000000123")
SPACED = " ".join(CARD[i : i + 4] for i in range(0, 16, 4))

FOUND = [
    # However they are written
    (f"card {SPACED.replace(' ', chr(0x200B))}", "card <card 1>"),
    (f"card {SPACED.replace(' ', chr(0x2007))}", "card <card 1>"),
    (f"card {SPACED.replace(' ', '.')}", "card <card 1>"),
    (f"card {CARD[:7]}\u00ad{CARD[7:]}", "card <card 1>"),
    (f"card {CARD.translate({48 + i: 0x09E6 + i for i in range(10)})}", "card <card 1>"),
    (f"pay to {iban('DE', '370400440532013000').replace(' ', '-')} today", "pay to <bank account 1> today"),
    (f"pay to {iban('DE', '370400440532013000').replace(' ', chr(0xA0))} today", "pay to <bank account 1> today"),
    ("SSN 219 09 9997", "SSN <national id 1>"),
    ("dial 0044 20 7946 0958", "dial <phone 1>"),
    ("dial (+44) 20 7946 0958", "dial <phone 1>"),
    ("at ann\uff20example.org", "at <email 1>"),
    ("/?who=ann%40example.org&x=1", "/?who=<email 1>&x=1"),
    (r"from ann\u0040example.org", "from <email 1>"),
    ("josé.ruiz@example.es wrote", "<email 1> wrote"),
    ("to jörg@bücher.example now", "to <email 1> now"),
    ("from 81.2.69.142:443 and 2a00:1450:4009:80b::200e.", "from <ip address 1>:443 and <ip address 2>."),
    # United Kingdom
    ("Ring 020 7946 0958 before noon", "Ring <phone 1> before noon"),
    ("my mobile is 07700900123", "my mobile is <phone 1>"),
    ("NI number AB 12 34 56 C", "NI number <national id 1>"),
    (f"NHS number {nhs('943476591')}", "NHS number <national id 1>"),
    ("sort code 20-00-00, account number 55779911", "sort code <bank account 1>, account number <bank account 2>"),
    (f"IBAN {iban('GB', 'WEST12345698765432')}.", "IBAN <bank account 1>."),
    # European Union
    (f"pay to {iban('DE', '370400440532013000')} today", "pay to <bank account 1> today"),
    (f"PESEL: {pesel('4405140135')}", "PESEL: <national id 1>"),
    (f"DNI {dni('54362315')}", "DNI <national id 1>"),
    (f"sécurité sociale {nir('2951099126111')}", "sécurité sociale <national id 1>"),
    (f"il codice {codice_fiscale('RSSMRA85T10A562')} vale", "il codice <national id 1> vale"),
    (f"BSN {bsn('11122233')}", "BSN <national id 1>"),
    ("Tel. +49 30 123456", "Tel. <phone 1>"),
    ("Rufen Sie +33 1 42 68 53 00 an", "Rufen Sie <phone 1> an"),
    # United States
    ("call (212) 555-0143 now", "call <phone 1> now"),
    ("SSN 536-90-4399", "SSN <national id 1>"),
    ("routing 021000021, account 1234567890", "routing <bank account 1>, account <bank account 2>"),
    ("toll-free 1-800-692-7753", "toll-free <phone 1>"),
    # India
    (f"Aadhaar {aadhaar('23412341234')}", "Aadhaar <national id 1>"),
    ("PAN ABCPE1234F", "PAN <tax id 1>"),
    ("WhatsApp +91 98765 43210", "WhatsApp <phone 1>"),
    ("UPI ravi.k@okhdfcbank", "UPI <bank account 1>"),
    ("A/C 123456789012, IFSC SBIN0001234", "A/C <bank account 1>, IFSC <bank account 2>"),
    # Vietnam
    ("CCCD 001099012345", "CCCD <national id 1>"),
    ("CMND 123456780", "CMND <national id 1>"),
    ("sđt 0912 345 678", "sđt <phone 1>"),
    ("Số tài khoản 0123456789012 ngân hàng", "Số tài khoản <bank account 1> ngân hàng"),
    (f"mã số thuế {vietnamese_tax('010023348')}", "mã số thuế <tax id 1>"),
    ("hộ chiếu C1234567", "hộ chiếu <passport 1>"),
    # anywhere
    (f"card {SPACED} exp 12/29", "card <card 1> exp 12/29"),
    (f"pay with {CARD}", "pay with <card 1>"),
    ("Write to Ann.O'Neil+x@mail.example.org!", "Write to <email 1>!"),
    ("passport number 533380006", "passport number <passport 1>"),
]


@pytest.mark.parametrize(("text", "plain"), FOUND)
def test_a_number_of_a_person_is_found_in_its_country(text: str, plain: str, mask: Redactor) -> None:
    assert mask.text(text) == plain


LEFT = [
    "Order 4417 1234 5678 9113 was shipped",
    "order number 400000000001231 and invoice 2026-11-0042",
    "from 2015-2022, (2003-2008) and 2026-11-23 10:15:22",
    "created 1700000000, updated 1700000000123",
    "£1,234,567.89 or 12.345.678,90 € or $ 1 234 567",
    "tracking 9434765919, ticket 5369043990",
    "ISBN 978-3-16-148410-0, version 10.2.144.7",
    "hosts 192.168.100.14, 127.0.0.1 and fe80::1, std::vector<int>",
    "firmware version 81.2.69.142",
    "sections 12.13.14.15.16",
    "sk-estimator-checks-for-classifiers",
    "server 172.16.254.1 and 10.0.0.12:8080",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
    "id 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "factorial(10) returns 3628800 when you call it",
    "see stackoverflow.com/questions/24051633/how",
    "sha 8f14e45fceea167a5a36dedd4bea2543 of the file",
    "GB82 WEST 1234 5698 7654 33 is no IBAN",
    "@decorator\ndef f(self): pass  # a @ b",
    "Part AB123456X, SKU 12345678Z, gate B12",
    "the password is wrong; enter a new password: then retry",
    "password = hash_password(user.password, salt)",
    'schema: {"password": {"type": "string"}, "token": {"type": "string"}}',
    "max_tokens: 4096, total_tokens=123456, key: value",
    "api_key = os.environ['OPENAI_API_KEY']",
    "Authorization: Bearer <token>",
]


@pytest.mark.parametrize("text", LEFT)
def test_orders_amounts_dates_and_code_are_left_alone(text: str, mask: Redactor) -> None:
    assert mask.text(text) is text


def test_a_wrong_check_digit_is_no_number_of_a_person(mask: Redactor) -> None:
    wrong = str((int(CARD[-1]) + 1) % 10)
    assert mask.text(f"pay with {CARD[:-1]}{wrong}") == f"pay with {CARD[:-1]}{wrong}"


def test_digits_of_other_scripts_and_odd_hyphens_hide_nothing(mask: Redactor) -> None:
    assert mask.text("SSN 536\u201190\u20114399") == "SSN <national id 1>"
    assert mask.text("फोन +९१ ९८७६५ ४३२१०") == "फोन <phone 1>"


@pytest.mark.parametrize("date", ["2026-11-23", "1999-01-31", "2026-11-23 10", "2026-11-23 7"])
@pytest.mark.parametrize(
    "words", ["", "phone ", "passport ", "national id ", "tax id ", "sort code ", "account ", "card "]
)
def test_a_date_is_no_number_whatever_announces_it(date: str, words: str) -> None:
    text = f"{words}{date}"
    for with_dates in (numbers._ISO_DATE, re.compile("never")):  # the same with and without knowing dates at once
        with patch.object(numbers, "_ISO_DATE", with_dates):
            assert not Finder(Recognisers()).find(text)
