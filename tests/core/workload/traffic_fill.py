"""What the generated traffic is filled with: names, documents, questions and answers, drawn from a seeded generator.

Written without a look at the classifier's word lists; nothing here is read by anything under `src`.
"""

from __future__ import annotations

import json
from random import Random

FIRST = [
    "Amara",
    "Ben",
    "Chloe",
    "Dmitri",
    "Elena",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Keiko",
    "Liam",
    "Mina",
    "Noor",
    "Otto",
    "Priya",
    "Quentin",
    "Rosa",
    "Sven",
    "Tara",
    "Uma",
    "Viktor",
    "Wanda",
    "Xu",
    "Yusuf",
    "Zoe",
]
LAST = [
    "Abbott",
    "Bianchi",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Grimaldi",
    "Hassan",
    "Ito",
    "Jensen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "Okafor",
    "Petrov",
    "Quinn",
    "Rossi",
    "Silva",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weber",
    "Yilmaz",
    "Zhang",
]
COMPANY_A = [
    "Northwind",
    "Bluepeak",
    "Harbor",
    "Summit",
    "Cedar",
    "Lumen",
    "Quarry",
    "Fenwick",
    "Orchard",
    "Silverline",
    "Tidal",
    "Vantage",
    "Willow",
    "Zephyr",
    "Granite",
]
COMPANY_B = [
    "Foods",
    "Logistics",
    "Bank",
    "Health",
    "Energy",
    "Telecom",
    "Insurance",
    "Outfitters",
    "Robotics",
    "Airlines",
    "Media",
    "Partners",
    "Labs",
]
CITY = [
    "Leeds",
    "Porto",
    "Ghent",
    "Lyon",
    "Turin",
    "Malmo",
    "Graz",
    "Cork",
    "Bilbao",
    "Gdansk",
    "Brno",
    "Tampere",
    "Aarhus",
    "Split",
    "Varna",
]
PRODUCT = [
    "kettle",
    "standing desk",
    "rain jacket",
    "trail shoe",
    "espresso grinder",
    "bike light",
    "yoga mat",
    "office chair",
    "air purifier",
    "headset",
    "garden hose",
    "laptop sleeve",
    "wool blanket",
    "camping stove",
    "water bottle",
]
ADJ = [
    "blue",
    "heavy",
    "reliable",
    "late",
    "broken",
    "new",
    "cheap",
    "quiet",
    "large",
    "refurbished",
    "damaged",
    "green",
    "compact",
    "missing",
    "unusual",
    "seasonal",
    "regional",
    "internal",
    "fragile",
    "popular",
]
NOUN = [
    "parcel",
    "invoice",
    "subscription",
    "meeting",
    "warehouse",
    "contract",
    "device",
    "customer",
    "supplier",
    "battery",
    "discount",
    "delivery",
    "office",
    "printer",
    "manager",
    "partner",
    "budget",
    "shipment",
    "voucher",
    "calendar",
    "branch",
    "pipeline",
    "survey",
    "audit",
]
VERB = [
    "arrived",
    "stopped",
    "changed",
    "failed",
    "improved",
    "moved",
    "doubled",
    "expired",
    "vanished",
    "returned",
    "shrank",
    "recovered",
    "slipped",
    "started",
    "ended",
    "grew",
    "paused",
    "closed",
]
TAIL = [
    "before lunch",
    "after the weekend",
    "without notice",
    "in the second quarter",
    "on the ground floor",
    "near the depot",
    "despite the reminder",
    "during the trial",
    "for no clear reason",
    "according to the team",
    "under the old terms",
    "since the update",
]
GREET = ["Hi there", "Hello", "Hey", "Good morning", "Dear team", "hi", "Hello again"]
TOPIC = [
    "urban beekeeping",
    "tidal power",
    "remote onboarding",
    "sleep and shift work",
    "school lunches",
    "electric ferries",
    "second-hand fashion",
    "rural broadband",
    "museum funding",
    "night trains",
    "vertical farming",
    "four-day weeks",
    "coral reefs",
    "city parking",
    "digital receipts",
    "open-air theatres",
]

VI = [
    "Tôi chưa nhận được đơn hàng đã đặt tuần trước.",
    "Cửa hàng có mở cửa vào chủ nhật không ạ?",
    "Làm thế nào để đổi mật khẩu tài khoản của tôi?",
    "Tôi muốn hủy gói cước vì giá quá cao.",
    "Sản phẩm bị lỗi và tôi cần hoàn tiền.",
    "Phí giao hàng đến Đà Nẵng là bao nhiêu?",
    "Ứng dụng không gửi mã xác nhận cho tôi.",
    "Tôi cần hóa đơn có tên công ty.",
]
TH = [
    "สินค้าที่สั่งไว้ยังไม่มาถึงเลยค่ะ",
    "ร้านเปิดวันอาทิตย์ไหมครับ",
    "ฉันต้องการเปลี่ยนรหัสผ่านต้องทำอย่างไร",
    "ค่าจัดส่งไปเชียงใหม่เท่าไร",
    "สินค้าชำรุดอยากขอคืนเงิน",
    "แอปไม่ส่งรหัสยืนยันมาให้",
    "ขอใบกำกับภาษีในนามบริษัท",
    "อยากยกเลิกแพ็กเกจเดือนนี้",
]
AR = [
    "لم يصل طلبي حتى الآن رغم مرور أسبوع.",
    "هل المتجر مفتوح يوم الجمعة؟",
    "كيف يمكنني تغيير كلمة المرور؟",
    "أريد إلغاء الاشتراك لأنه مكلف.",
    "المنتج معطوب وأريد استرداد المبلغ.",
    "كم تكلفة الشحن إلى جدة؟",
    "التطبيق لا يرسل رمز التأكيد.",
    "أحتاج فاتورة باسم الشركة.",
]
SW = [
    "Sijapokea mzigo wangu niliouagiza wiki iliyopita.",
    "Je, duka linafunguliwa siku ya Jumapili?",
    "Ninawezaje kubadilisha nenosiri la akaunti yangu?",
    "Nataka kusitisha usajili kwa sababu bei ni kubwa.",
    "Bidhaa imeharibika na ninahitaji kurudishiwa fedha.",
    "Gharama ya usafirishaji kwenda Mombasa ni kiasi gani?",
]
HI = [
    "मेरा ऑर्डर अभी तक नहीं पहुँचा है।",
    "क्या दुकान रविवार को खुली रहती है?",
    "मैं अपना पासवर्ड कैसे बदलूँ?",
    "मुझे अपनी सदस्यता रद्द करनी है।",
    "सामान टूटा हुआ मिला, पैसे वापस चाहिए।",
    "पुणे तक डिलीवरी शुल्क कितना है?",
]
DE = [
    "Meine Bestellung ist noch nicht angekommen.",
    "Hat das Geschäft am Sonntag geöffnet?",
    "Wie kann ich mein Passwort ändern?",
    "Ich möchte mein Abonnement kündigen.",
    "Das Produkt ist defekt, ich hätte gern mein Geld zurück.",
    "Was kostet der Versand nach Graz?",
]
BODY = {"vi": VI, "th": TH, "ar": AR, "sw": SW, "hi": HI, "de": DE}


class Fill:
    """Everything a template can ask for by name, each call another draw."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def pick(self, items):
        return self.random.choice(items)

    def name(self) -> str:
        return f"{self.pick(FIRST)} {self.pick(LAST)}"

    def company(self) -> str:
        return f"{self.pick(COMPANY_A)} {self.pick(COMPANY_B)}"

    def city(self) -> str:
        return self.pick(CITY)

    def product(self) -> str:
        return self.pick(PRODUCT)

    def topic(self) -> str:
        return self.pick(TOPIC)

    def date(self) -> str:
        day, month, year = self.random.randint(1, 28), self.random.randint(1, 12), self.random.randint(2024, 2026)
        names = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ]
        return self.pick(
            [f"{year}-{month:02}-{day:02}", f"{day} {names[month - 1]} {year}", f"{day:02}/{month:02}/{year}"]
        )

    def number(self) -> str:
        return str(self.random.randint(2, 9_999))

    def code(self) -> str:
        return f"{self.pick('ABCDEFG')}{self.pick('HKLMNP')}-{self.random.randint(1_000, 99_999)}"

    def sentence(self) -> str:
        r = self.random
        extra = f" and the {self.pick(ADJ)} {self.pick(NOUN)} {self.pick(VERB)}" if r.random() < 0.5 else ""
        subject = self.pick(
            [
                f"The {self.pick(ADJ)} {self.pick(NOUN)}",
                f"Our {self.pick(NOUN)}",
                f"{self.pick(FIRST)}'s {self.pick(NOUN)}",
                f"Every {self.pick(NOUN)}",
            ]
        )
        return f"{subject} {self.pick(VERB)} {self.pick(TAIL)}{extra}."

    def text(self, low: int = 3, high: int = 8) -> str:
        return " ".join(self.sentence() for _ in range(self.random.randint(low, high)))

    def document(self) -> str:
        return "\n\n".join(self.text(2, 5) for _ in range(self.random.randint(1, 4)))

    def question(self) -> str:
        ask = self.pick(
            [
                "Why has the {0} {1} not {2}?",
                "When will the {1} be ready?",
                "Who is responsible for the {0} {1}?",
                "Can I still return the {1} {3}?",
                "What happens if the {1} {2} {3}?",
                "Where do I find my {0} {1}?",
                "How long does the {1} take?",
                "Is the {0} {1} covered?",
            ]
        )
        return ask.format(self.pick(ADJ), self.pick(NOUN), self.pick(VERB), self.pick(TAIL))

    def ticket(self) -> str:
        return f"{self.pick(GREET)},\n{self.sentence()} {self.question()} {self.pick(['Thanks', 'Best', 'Regards', 'Cheers'])}, {self.pick(FIRST)}"

    def chatter(self) -> str:
        return self.pick(
            [
                self.question,
                self.sentence,
                self.ticket,
                lambda: f"{self.pick(GREET)}! {self.question()}",
                lambda: self.question().lower(),
            ]
        )()

    def words(self, language: str, low: int = 1, high: int = 3) -> str:
        return " ".join(self.random.sample(BODY[language], self.random.randint(low, high)))

    def function(self) -> str:
        a, b = self.pick(NOUN), self.pick(ADJ)
        return self.pick(
            [
                f"def {a}_{b}(items, limit={self.number()}):\n    total = 0\n    for item in items:\n        if item.{b}:\n            total += item.{a}\n    return min(total, limit)",
                f"export function {a}{b.title()}(rows) {{\n  const out = [];\n  for (const row of rows) {{\n    if (row.{b}) out.push(row.{a});\n  }}\n  return out;\n}}",
                f"SELECT {a}_id, count(*) FROM {a}s WHERE {b} = 1 GROUP BY {a}_id;",
                f"class {a.title()}:\n    def __init__(self, {b}):\n        self.{b} = {b}\n\n    def {self.pick(NOUN)}(self):\n        return self.{b} * {self.number()}",
            ]
        )

    def fence(self) -> str:
        return f"```python\n{self.function()}\n```"

    def sum(self) -> str:
        who, n, m, k = (
            self.pick(FIRST),
            self.random.randint(3, 60),
            self.random.randint(2, 12),
            self.random.randint(2, 9),
        )
        return self.pick(
            [
                f"{who} buys {n} boxes with {m} pens in each box and gives {k} pens to every one of {m} friends. How many pens are left?",
                f"A train covers {n} km in {m} hours, then {k} km in one hour. What is its average speed in km per hour?",
                f"{who} saves ${n} a week for {m} weeks and spends ${k} on lunch each week. How much money does {who} have at the end?",
            ]
        )

    def working(self) -> str:
        a, b = self.random.randint(3, 60), self.random.randint(2, 12)
        return f"First, {a} * {b} = {a * b}. Then {a * b} - {b} = {a * b - b}. So the answer is {a * b - b}."

    def json(self, **fields) -> str:
        return json.dumps(fields)
