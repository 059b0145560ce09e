"""Refunds: customers ask in their own language what they get back; the answer is in that language, ending in the amount."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random

from fairlead.demo.jobs.task import Job, Task
from fairlead.demo.words import CURRENCIES, PEOPLE, PRODUCTS, amount, order_number

# Per language: ways to ask, then ways to say that the goods were faulty (a faulty item goes back free of charge).
ASKED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "vi": (
        (
            "Chào shop, tôi muốn trả lại {n} cái {p}. Tôi sẽ được hoàn lại bao nhiêu tiền ạ?",
            "Cho mình hỏi nếu gửi trả {n} chiếc {p} thì được hoàn bao nhiêu? Đơn hàng {o}.",
            "Tôi đặt nhầm, xin trả {n} {p} trong đơn {o}. Số tiền hoàn là bao nhiêu?",
            "Shop ơi, {n} {p} không vừa với thuyền của em. Trả lại thì nhận về bao nhiêu tiền?",
        ),
        ("Hàng bị hỏng khi nhận.", "Sản phẩm bị lỗi, không dùng được."),
    ),
    "th": (
        (
            "สวัสดีค่ะ ต้องการคืนสินค้า {p} จำนวน {n} ชิ้น จะได้รับเงินคืนเท่าไหร่คะ",
            "ขอคืน {p} {n} ชิ้น จากคำสั่งซื้อ {o} ได้เงินคืนกี่บาทหรือสกุลไหนครับ",
            "สั่งผิดครับ อยากส่งคืน {p} {n} อัน ยอดเงินคืนเป็นเท่าไร",
            "รบกวนสอบถามค่ะ ถ้าคืน {p} {n} ชิ้น จะได้เงินคืนเท่าไหร่",
        ),
        ("สินค้าชำรุดตั้งแต่ได้รับ", "ของเสีย ใช้งานไม่ได้เลย"),
    ),
    "ar": (
        (
            "مرحباً، أود إرجاع {n} من {p}. كم المبلغ الذي سأسترده؟",
            "السلام عليكم، أريد إعادة {n} قطعة من {p} من الطلب {o}. كم سيعاد إليّ؟",
            "طلبت بالخطأ {p}، وأرغب في إرجاع {n} منها. ما قيمة المبلغ المسترد؟",
            "لو سمحتم، إذا أعدت {n} من {p} فكم أستلم؟",
        ),
        ("المنتج وصل تالفاً.", "القطعة معطوبة ولا تعمل."),
    ),
    "de": (
        (
            "Guten Tag, ich möchte {n} × {p} zurückgeben. Wie viel bekomme ich erstattet?",
            "Hallo, aus der Bestellung {o} gehen {n} Stück {p} zurück. Welcher Betrag kommt wieder?",
            "Leider falsch bestellt: {n} {p}. Was erstatten Sie mir dafür?",
            "Moin, {n} mal {p} passt nicht auf unser Boot. Wie hoch ist die Erstattung?",
        ),
        ("Die Ware kam beschädigt an.", "Das Teil ist defekt."),
    ),
    "tr": (
        (
            "Merhaba, {n} adet {p} iade etmek istiyorum. Ne kadar geri alırım?",
            "{o} numaralı siparişten {n} adet {p} ürününü geri göndereceğim, iade tutarı nedir?",
            "Yanlış sipariş vermişim, {n} {p} iade edilecek. Hesabıma ne kadar yatar?",
            "İyi günler, {n} tane {p} tekneme uymadı. Kaç para iade edilir?",
        ),
        ("Ürün hasarlı geldi.", "Parça bozuk, çalışmıyor."),
    ),
    "id": (
        (
            "Halo, saya ingin mengembalikan {n} buah {p}. Berapa uang yang kembali?",
            "Selamat siang, dari pesanan {o} saya mau retur {n} {p}. Dananya kembali berapa?",
            "Saya salah pesan {p}, mau dikembalikan {n} buah. Berapa jumlah refund saya?",
            "Kak, {n} {p} tidak cocok dengan kapal saya. Kalau diretur dapat berapa?",
        ),
        ("Barangnya rusak waktu diterima.", "Produknya cacat dan tidak berfungsi."),
    ),
}

WORTH_POSTING = [product for product in PRODUCTS if product.price > 1_000]  # dearer than any return fee
RULES = (
    "Rules:\n"
    "- The refund is the price of the items that come back, minus the return parcel fee, once per request.\n"
    "- Items that arrived damaged or do not work go back free of charge: no fee.\n"
    "- Shipping of the original order is not refunded.\n"
    "- Write amounts with a decimal point and the currency code. The refund is the last amount in your answer."
)


def refund(rng: Random, at: datetime) -> Task:
    """A customer's question about an order, and the amount in cents' precision."""
    order, currency = order_number(rng), rng.choice(CURRENCIES)
    lines = [(rng.randrange(2, 9), product) for product in rng.sample(WORTH_POSTING, rng.randrange(2, 5))]
    bought, product = rng.choice(lines)
    back = rng.randrange(1, bought)
    fee, shipping = rng.choice((390, 450, 495, 620, 750)), rng.choice((590, 690, 990, 1250))
    asked, faulty = ASKED[rng.choice(tuple(ASKED))]
    is_faulty = rng.random() < 0.3
    user = rng.choice(asked).format(n=back, p=product.name, o=order) + (" " + rng.choice(faulty) if is_faulty else "")
    placed = (at - timedelta(days=rng.randrange(3, 28))).date().isoformat()
    listed = "\n".join(
        f"- {count} x {each.name} ({each.sku}) at {amount(each.price)} {currency}" for count, each in lines
    )
    system = (
        "You answer customers of the Corvane web shop, in the language they write in, in one or two friendly sentences.\n"
        f"Customer: {rng.choice(PEOPLE)}\nDate: {at.date().isoformat()}\n"
        f"<order>\n{order}, placed {placed}\n{listed}\n"
        f"Shipping: {amount(shipping)} {currency}\nReturn parcel fee: {amount(fee)} {currency}\n</order>\n" + RULES
    )
    return Task(system=system, user=user, expected=(back * product.price - (0 if is_faulty else fee)) / 100)


MULTILINGUAL = Job(
    name="refund questions",
    category="multilingual",
    model="gpt-4o-mini",
    dialect="openai",
    grader="number",
    calls=1750,
    distinct=1650,
    writers=(refund,),
    parameters={"temperature": 0.2, "max_tokens": 300},
    hours=(0, 23),
)
