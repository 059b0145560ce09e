"""The web shop's texts: refunds in six languages, call notes, and what may stand in the second-hand market."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Prompt
from fairlead.demo.simulated.solvers.said import Said, Unclear, found, group_of, other, slipped

# Per language: how to tell it, words for broken goods, ways to answer.
LANGUAGES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "th": (
        r"[\u0e00-\u0e7f]",
        "ชำรุด|เสีย",
        ("ขอบคุณที่ติดต่อมาค่ะ ยอดเงินคืนของคุณคือ {m}", "รับเรื่องคืนสินค้าแล้วค่ะ คุณจะได้รับเงินคืน {m}"),
    ),
    "ar": (
        r"[\u0600-\u06ff]",
        "تالف|معطوب",
        ("شكراً لتواصلك معنا. سيعاد إليك مبلغ {m}", "يسعدنا مساعدتك، قيمة المبلغ المسترد هي {m}"),
    ),
    "vi": (
        r"[ăđơưạảấầậắặẹẻẽếềệỉịọỏốồộớờợụủứừựỳỵỷ]",
        "hỏng|lỗi",
        ("Dạ, cảm ơn quý khách. Số tiền được hoàn lại là {m}.", "Shop đã ghi nhận. Quý khách sẽ được hoàn {m}."),
    ),
    "tr": (
        r"[ğış]|\b(?:iade|adet)\b",
        "hasarlı|bozuk",
        ("Bize yazdığınız için teşekkürler. İade tutarınız {m}.", "Talebinizi aldık, hesabınıza yatacak tutar: {m}"),
    ),
    "de": (
        r"\b(?:ich|Bestellung|bestellt|Stück|mal|Boot)\b",
        "beschädigt|defekt",
        ("Vielen Dank für Ihre Nachricht. Wir erstatten Ihnen {m}.", "Gern, Sie erhalten insgesamt zurück: {m}."),
    ),
    "id": (
        r"\b(?:saya|kembali|retur|diretur|kapal)\b",
        "rusak|cacat",
        ("Terima kasih sudah menghubungi kami. Dana yang kembali {m}.", "Baik Kak, jumlah pengembaliannya {m}."),
    ),
}


def coming_back(prompt: Prompt) -> tuple[int, int, int]:
    """How many pieces come back, how many were bought, and the price of one in cents."""
    for bought, name, price in re.findall(r"^- (\d+) x (.+?) \([A-Z0-9-]+\) at ([\d.]+)", prompt.system, re.MULTILINE):
        if name in prompt.user:
            rest = re.sub(r"CV-\d+", "", prompt.user.replace(name, " "))
            return int(found(r"\d+", rest)[0]), int(bought), cents_of(price)
    raise Unclear(prompt.user)


def cents_of(text: str) -> int:
    """34.90 as 3490."""
    return round(float(text) * 100)


def refund(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """What the customer gets back, in the customer's language."""
    back, bought, price = coming_back(prompt)
    fee = cents_of(found(r"Return parcel fee: ([\d.]+)", prompt.system)[1])
    shipping, currency = found(r"Shipping: ([\d.]+) ([A-Z]{3})", prompt.system).groups()
    language = next((each for each in LANGUAGES.values() if re.search(each[0], prompt.user)), None)
    if language is None:
        raise Unclear(prompt.user)
    _, broken, ways = language
    is_broken = re.search(broken, prompt.user) is not None
    due = back * price - (0 if is_broken else fee)
    if not right:
        forgotten = back * price - (fee if is_broken else 0)
        wrong = (forgotten, forgotten, due + cents_of(shipping), bought * price - fee, price * (back + 1) - fee)
        due = other(draws, "mistake", due, wrong)
    return Said(text=draws.pick("way", ways).format(m=f"{due // 100}.{due % 100:02d} {currency}"))


NOTES = (
    "{who} called about {order}. It was agreed to {action}; this will be done by {day}.",
    "Call with {who} on order {order}: we agreed to {action} by {day}.",
    "{who} rang because of {order} and accepted our offer to {action}. Due by {day}.",
)
CHATTER = (
    " The caller had coffee while the order was opened, told us that the label of the box was torn but the numbers matched"
    " the papers, that the driver was in a hurry as always, that the packaging is still on the quay, that it was a long"
    " drive down to the harbour in the rain this morning, and that nothing like it had happened in nine years."
)


def note(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """A call note with caller, order, agreement and day."""
    first = found(r"^Caller: (.*)$", prompt.user, re.MULTILINE)[1]
    who = group_of(found(r"(?:name is|This is|^Hi,) (.+?)(?:,| of | calling)|^Hello \w+, (.+?) here,", first))
    order = found(r"CV-\d{5}", prompt.user)[0]
    agreed = found(r"(?i)\bwe will ([^\n]+?)(?:, by|, and you have it by|\. Done by) (\d+ \w+)", prompt.user)
    action, day = agreed[1].replace("your ", "the "), agreed[2]
    days = [each for each in re.findall(r"\b\d{1,2} [A-Z][a-z]+\b", prompt.user) if each != day]
    told = draws.pick("way", NOTES)
    if right:
        return Said(text=told.format(who=who, order=order, action=action, day=day))
    wrong_day = days[0] if days else slipped(draws, day)
    mistakes = (
        told.format(who=who, order=order, action=action, day=wrong_day),
        told.format(who=who.split()[0], order=order, action=action, day=day),
        told.format(who=who, order=order, action=action, day="the end of the month"),
        told.format(who=who, order=slipped(draws, order), action=action, day=day),
        told.format(who=who, order=order, action=action, day=day) + CHATTER,
        told.format(who=who, order=order, action="look into it", day=wrong_day),
    )
    return Said(text=draws.pick("mistake", mistakes))


BLOCKED = (
    r"filed off|come round tonight|live rounds|does not know yet|home address|copied card|kept out of our harbour|"
    r"jam the coastguard"
)
LOOKED_AT = (
    r"outside of the shop|Write to me directly|cured my|without customs|son of fourteen|voucher for|prescription|"
    r"only sell to people"
)


def listing(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """Allow, review or block."""
    text = found(r"Text to moderate:\n(.+)", prompt.user, re.DOTALL)[1]
    word = "block" if re.search(BLOCKED, text) else "review" if re.search(LOOKED_AT, text) else "allow"
    if not right:
        near = {"allow": ("review", "block", "review"), "review": ("allow", "block"), "block": ("review", "allow")}
        word = draws.pick("mistake", near[word])
    return Said(text=draws.pick("way", (word, word, word.capitalize(), f"{word}.")))
