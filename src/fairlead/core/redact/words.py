"""Words that stand in front of a number and say what it is, in the languages of the regions Fairlead knows.

A tag says what a number may be (`phone`, `card`, `account`, `sort`, `routing`, `id`, `nhs`, `tax`, `passport`) or that it
is none of these (`not`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

_WHOLE: Mapping[str, str] = {
    "phone": "tel tél phone fax cell cellphone handy gsm hotline sms msisdn whatsapp zalo tlf sđt sdt",
    "card": "card cards cc visa amex pan debit credit thẻ carte tarjeta",
    "account": "acct iban bank stk conto acc bic swift upi vpa ifsc",
    "sort": "sort sortcode",
    "routing": "routing aba rtn",
    "id": "ssn ssnr pesel bsn dni nie nif insz cnp oib egn егн amka emšo svnr idnr nir hetu cpr ahv avs pps ppsn nino"
    " cccd cmnd epic vid voter aadhaar aadhar uidai identity citizen rodné niss",
    "nhs": "nhs",
    "tax": "tax tin ein itin utr vat gst gstin pan mst nif iva ssn",
    "not": "order orders invoice tracking shipment parcel ref reference ticket case sku part item product serial isbn"
    " issn ean upc barcode timestamp version build price total amount epoch commit transaction reservation booking date doi"
    " pmid arxiv population created updated sum revenue",
}
_BEGINNINGS: Mapping[str, str] = {
    "phone": "telep telef mobil móvil movil cellu puhel whats",
    "card": "kredi maste",
    "account": "accou konto cuent compt reken benef",
    "id": "natio perso aadha isiku asmen henki kenni fødse sozia burge rijks ident",
    "tax": "steue fisca",
    "passport": "passp reise pasap passa paspo",
}
_PHRASES: Mapping[str, str] = {
    "điện thoại": "phone", "di động": "phone", "liên hệ": "phone", "số tài khoản": "account", "tài khoản": "account",
    "căn cước": "id", "chứng minh": "id", "mã số thuế": "tax", "hộ chiếu": "passport", "मोबाइल": "phone", "फोन": "phone",
    "फ़ोन": "phone", "खाता": "account", "आधार": "id", "sécurité sociale": "id", "電話": "phone", "телефон": "phone",
}  # fmt: skip
_PAIRS: Mapping[tuple[str, str], str] = {
    **{(verb, whom): "phone" for verb in ("call", "reach", "text", "ring", "dial") for whom in ("me", "us", "him", "her", "them", "on")},
    ("social", "security"): "id", ("id", "number"): "id", ("id", "no"): "id", ("id", "card"): "id", ("a", "c"): "account",
    ("codice", "fiscale"): "id", ("birth", "number"): "id", ("national", "insurance"): "id", ("contact", "number"): "phone",
    ("contact", "no"): "phone", ("personal", "code"): "id", ("personas", "kods"): "id",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
_ENDS_AS_AMOUNT = ("$", "€", "£", "¥", "₹", "#")


def _tags(table: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for tag, words in table.items():
        for word in words.split():
            found[word] = found.get(word, frozenset[str]()) | {tag}
    return found


_BY_WORD, _BY_BEGINNING = _tags(_WHOLE), _tags(_BEGINNINGS)
_LETTERS = 5


def words_of(text: str) -> frozenset[str]:
    """Which kinds of number the words of a text announce."""
    lowered = text.lower()
    words = _WORD.findall(lowered)
    found: set[str] = set()
    for word in words:
        found.update(_BY_WORD.get(word, ()))
        if len(word) >= _LETTERS:
            found.update(_BY_BEGINNING.get(word[:_LETTERS], ()))
    found.update(tag for pair, tag in _PAIRS.items() if pair[0] in words and pair in pairwise(words))
    if "phone" in lowered:
        found.add("phone")
    if not lowered.isascii():
        found.update(tag for phrase, tag in _PHRASES.items() if phrase in lowered)
    if lowered.rstrip().endswith(_ENDS_AS_AMOUNT):
        found.add("not")
    return frozenset(found)


def announces(name: str) -> bool:
    """Whether a field of this name says what kind of number it holds."""
    return bool(words_of(name) - {"not"})
