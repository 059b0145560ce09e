"""The many ways in which people and programs write secrets down, and what looks like one and is none."""

from __future__ import annotations

import base64
import json

import pytest

from core.redact.test_redactor import CHECKS
from core.redact.test_secrets import BODY, JWT
from fairlead.core.nouns import JSON
from fairlead.core.redact import Policy, Redactor, find, wrapped

HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SIGN = "zV2x9Lw4Qp7Tn0Rk3Ys6Hb1Uc8Ad5Ef2"
PASS = "hunter2Zz"
BLOB = base64.b64encode(bytes((i * 37 + 11) % 256 for i in range(200))).decode()
PEM = base64.b64encode(f"-----BEGIN EC PRIVATE KEY-----\n{BLOB}".encode()).decode()
LONG_JWT = f"{JWT.split('.')[0]}.{BODY}{BODY}.{SIGN}{BODY}"


def basic(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


def cut(text: str, width: int, end: str = "\n") -> str:
    return end.join(text[i : i + width] for i in range(0, len(text), width))


SECRETS: list[tuple[JSON, str]] = [
    # a name, and its value beside it
    (f"env:\n  - name: DB_PASSWORD\n    value: {PASS}\n  - name: LOG\n    value: debug", PASS),
    (f'- name: API_TOKEN\n  value: "{BODY}"', BODY),
    ({"name": "api_key", "value": BODY}, BODY),
    ({"value": BODY, "enabled": True, "name": "api_key"}, BODY),
    ({"key": "DB_PASSWORD", "value": PASS}, PASS),
    ({"Name": "DB_PASSWORD", "Value": [PASS]}, PASS),
    (json.dumps({"name": "api_key", "value": BODY}), BODY),
    (json.dumps({"a": json.dumps({"name": "api_key", "value": BODY})}), BODY),
    (json.dumps({"env": [{"name": "DB_PASSWORD", "value": PASS}]}, indent=2), PASS),
    ({"headers": [{"name": "x-api-key", "value": BODY}, {"name": "Authorization", "value": f"Bearer {SIGN}"}]}, SIGN),
    ({"headers": [["x-api-key", BODY], ["accept", "*/*"]]}, BODY),
    (f'<add key="ApiKey" value="{BODY}"/>', BODY),
    (f'<input type="hidden" name="csrf_token" value="{BODY}">', BODY),
    (f"<password>{PASS}</password>", PASS),
    (f"| api_key | `{BODY}` |", BODY),
    (f"| password | {PASS} |", PASS),
    (f"**Password:** {PASS}", PASS),
    # commands and code
    (f"tool --password {PASS} --verbose", PASS),
    (f"tool --api-key '{BODY}' -v", BODY),
    ({"command": ["tool", "--password", PASS]}, PASS),
    (json.dumps(["tool", "--api-key", BODY]), BODY),
    (f'client.setApiKey("{BODY}")', BODY),
    (f"define('DB_PASSWORD', '{PASS}');", PASS),
    ("SECRET_KEY = 'dj4ngo$k9#x!q2w8e7r5t6y1'", "dj4ngo"),
    (f"curl -b 'session={BODY}' https://host.example/", BODY),
    # other languages
    (f"Das Passwort lautet {PASS}!", PASS),
    (f"mot de passe : {PASS}", PASS),
    (f"My password's {PASS}", PASS),
    # headers
    (f"Cookie: theme=dark; csrftoken={BODY[:32]}; sid={HEX[:32]}", HEX[:32]),
    (f"Set-Cookie: connect.sid=s%3A{BODY}.{SIGN}; Path=/; HttpOnly", SIGN),
    ({"Set-Cookie": f"sid={BODY}; Path=/; HttpOnly"}, BODY),
    (f'"headers": {{"cookie": "a=b; auth={BODY[:18]}"}}', BODY[:18]),
    (f"Authorization: {BODY}", BODY),
    ({"authorization": BODY}, BODY),
    ({"authorization": f"Basic {basic('ann:pw')}"}, basic("ann:pw")),
    (f"Proxy-Authorization: Basic {basic('ann:pw')}", basic("ann:pw")),
    (f'Authorization: Digest username="ann", response="{HEX[:32]}"', HEX[:32]),
    (f"Authorization: AWS4-HMAC-SHA256 Credential=AKIAQ3EXAMPL7ZSECRET/x, SignedHeaders=host, Signature={HEX}", HEX),
    (json.dumps({"auths": {"https://index.example/v1/": {"auth": basic(f"ann:{PASS}")}}}), basic(f"ann:{PASS}")),
    # addresses
    (f"https://{BODY}@host.example/x.git", BODY),
    (rf'{{"u": "amqp:\/\/user:{PASS}@mq\/v"}}', PASS),
    (f"https://host.example/?u=https%3A%2F%2Fann%3A{PASS}%40db.example", PASS),
    ({"image_url": {"url": f"https://b.example/x.png?X-Amz-Expires=300&X-Amz-Signature={HEX}"}}, HEX),
    (f"https://b.example/x.png?X-Amz-Security-Token={BLOB.replace('+', '%2B').rstrip('=')}&a=1", BLOB[-40:-10].replace("+", "%2B")),
    (f"https://b.example/x?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature={HEX}{HEX}", HEX),
    (f"https://b.example/x?Expires=1&Signature={SIGN}~__&Key-Pair-Id=K2", SIGN),
    (f"https://b.example/x?sv=2024-01-01&sp=r&sig={SIGN}%2Fjk%3D", SIGN),
    (f"https://b.example/x?a=1&amp;sig={SIGN}", SIGN),
    (rf'{{"u":"https:\/\/b.example\/x?a=1\u0026X-Amz-Signature={HEX}"}}', HEX),
    (f"https://b.example/cb#access_token={BODY}&state=x", BODY),
    # cut by the ends of lines
    (f"token:\n{cut(LONG_JWT, 64)}\nplease decode", SIGN[-16:]),
    (f"The token is {LONG_JWT[:63]}\n{cut(LONG_JWT[63:], 76)}", BODY[-8:]),
    (json.dumps(f"x\n{cut(LONG_JWT, 76)}"), BODY[-8:]),
    (f"the key is sk-proj-{cut((BODY + SIGN) * 3, 40)}\nend", SIGN[-16:]),
    (f"API_KEY={BODY[:24]}\\\n{BODY[24:]}", BODY[24:]),
    (f'api_key = ("{BODY[:24]}"\n    "{BODY[24:]}")', BODY[24:]),
    (f"client-key-data: {PEM}", PEM[-20:]),
    (f"PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 4\n{cut(BLOB, 64)}\nPrivate-MAC: {HEX}", BLOB[70:120]),
    ({"client_secret": BLOB * 6}, BLOB[:40]),
    # more providers
    *((f"use {key} now", key[9:]) for key in (
        f"sb_secret_{BODY[:31]}", f"HRKU-{BODY}", f"pscale_tkn_{BODY}", f"dp.pt.{BODY}", f"patAbCdEfGh123456.{HEX}", f"pa-{BODY}",
        f"sk_{HEX[:48]}", f"sgp_{HEX[:40]}", f"e2b_{HEX[:40]}", f"fc-{HEX[:32]}", f"apify_api_{BODY}", f"re_{BODY[:8]}_{BODY[:24]}",
        f"xkeysib-{HEX}-{BODY[:16]}", f"rubygems_{HEX[:48]}", f"webhookb2/{HEX[:36]}@{HEX[:36]}/IncomingWebhook/{HEX[:32]}/x",
    )),
]  # fmt: skip

ACCOUNTS = [
    "iban de89370400440532013000", "IBAN DE 89 3704 0044 0532 0130 00", "my iban: gb82 west 1234 5698 7654 32",
    "IBAN: DE89 37040044 0532013000", "IBAN DE89.3704.0044.0532.0130.00", "IBAN DE89  3704  0044  0532  0130  00",
    "Pay to De89370400440532013000, please", "gb82.west.1234.5698.7654.32",
]  # fmt: skip

HARMLESS: list[JSON] = [
    "commit 9fceb02d0ae598e95dc970b74767f19372d6eb5a", f"sha256:{HEX}", "550e8400-e29b-41d4-a716-446655440000", f"integrity sha512-{BLOB[:86]}==",
    f"data:image/png;base64,{BLOB * 8}", BLOB, cut(BLOB * 2, 76), cut(HEX * 3, 64), f"-----BEGIN CERTIFICATE-----\n{cut(BLOB, 64)}\n",
    "tokens: 12345678, total_tokens: 99999999", "The password is wrong. Please try again.", "password = input('Password: ')", "password = hashed",
    "api_key = os.environ['OPENAI_API_KEY']", "client = OpenAI(api_key=get_api_key())", "token = tokenizer.next_token()",
    "tokenizer_class=LlamaTokenizerFast2024", "const token = await getToken(user)", "primary_key=True", "foreign_key = 'orders.id'",
    '{"name": "api_key", "type": "string", "description": "The key"}', '{"name": "password", "value": ""}', '{"name": "token", "value": "none"}',
    "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: db-credentials-v2", "- name: SECRET_NAME\n  value: $(VAULT_PATH)",
    {"name": "max_tokens", "value": "4096"}, {"name": "password_policy", "value": "at least 12 characters"}, {"key": "Enter", "value": "submitForm1"},
    {"name": "keyboard", "value": "Logitech K380-2023"}, ["password", "password2"], ["name", "value"], ["--verbose", "run2024-08-abcdefgh"],
    "Cookie: a small treat; I had 3 of them", "The cookie: chocolate=dark; nuts=none", "Set-Cookie: theme=dark; Path=/; Max-Age=3600",
    "Basic knowledge of mathematics", "Authorization: required", "Authorization: Bearer $TOKEN", "Authorization: Bearer YOUR_API_KEY_HERE",
    "author: 2024longnames8and7more", "https://host.example/?q=signature+of+the+king&page=2", "https://host.example/a?token=abc", "?code=404&state=CA",
    "https://host.example/watch?v=dQw4w9WgXcQ&list=PLrAXtmErZgOeiKm4sgNOknGvNjby9efdf", "https://user@example-host:8080", "git@github.example:o/r.git",
    "DE89370400440532013001", "de89 is the sum", "gb82 west street 1234 house", "no 12 3456 7890 123 left", "fr76 3000 6000 0112 3456 7890 188",
    "sk-learn is a library; sk-toggleable-content divs", "risk-adjusted-return-on-capital-2024", "css class sk-fading-circle sk-circle12",
    "xoxb-your-token-here", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "<apiKey>YOUR_API_KEY</apiKey>", '<label for="password">Min8chars</label>',
    "| password | string | yes | The password |", "--password PASSWORD", "--token TOKEN  the token to use", "$this->password->hash2 = 1",
    "user.hash_password('test_password')", "getByLabel('Password')", "def __init__(self, token: str | None = None, secret: str = ''):",
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=300", "signature=inspect.signature(func)", "secrets.token_hex(16)",
    "chatcmpl-9fceb02d0ae598e95dc970b74767f193", "call_abc123DEF456ghi789JKL012", "toolu_01A09q90qw90lq917835lq9", "gpt-4o-2024-08-06",
    "monkey: banana12, turkey = roast2024beef", "passage: The 1st World War", "compass: NW45deg", "pass: 12 fail: 3", "wordpass=word1",
    "eyJ is how base64 of a brace begins", "pa-rather-long-hyphenated-word-that-is-no-key-at-all", f"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t{BLOB}",
]  # fmt: skip


def written(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def test_secrets_go_however_they_are_written() -> None:
    missed = [
        (value, plain)
        for value, secret in SECRETS
        if secret in (plain := written(Redactor(CHECKS, policy=Policy.KEEP).value(value)))
    ]
    assert missed == []


@pytest.mark.parametrize("text", ACCOUNTS)
def test_an_iban_is_known_in_small_letters_and_however_it_is_spaced(text: str) -> None:
    plain = Redactor(CHECKS).text(text)
    assert "<bank account 1>" in plain
    assert not set("0123456789") & set(plain.replace("<bank account 1>", ""))


def test_what_only_looks_like_a_secret_stays() -> None:
    assert [value for value in HARMLESS if Redactor(CHECKS).value(value) is not value] == []


def test_the_words_after_a_key_that_ends_a_line_stay() -> None:
    text = f"OPENAI_API_KEY=sk-proj-{BODY}\n{{}}\n"
    for after in ("gpt-4o-mini", "please", "MODEL=gpt-4o-2024-08-06", f"- {SIGN}", "end of the file"):
        assert Redactor(CHECKS).text(text.format(after)) == f"OPENAI_API_KEY=<api key 1>\n{after}\n"


def test_keys_that_stand_line_by_line_are_several() -> None:
    keys = "\n".join(f"sk-proj-{BODY}{i}" for i in range(3))
    assert Redactor(CHECKS).text(keys) == "<api key 1>\n<api key 2>\n<api key 3>"


def test_each_line_of_a_text_of_nothing_but_keys_in_quotes_is_followed_once(monkeypatch):
    asked = []
    monkeypatch.setattr(find, "whole", lambda text, hit: asked.append(hit) or wrapped.whole(text, hit))
    text = f'"sk-{SIGN}"\n' * 800
    assert SIGN not in Redactor(CHECKS, policy=Policy.KEEP).text(text)
    assert len(asked) < 10


@pytest.mark.parametrize(("mark", "length"), [("AKIA", 16), ("AIza", 35), ("ghp_", 36), ("hf_", 34), ("xoxb-", 24)])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_keys_without_a_mark_of_their_own_are_found_in_a_long_list_of_them(mark, length, end):
    letters = str.maketrans("0123456789", "QWXRTYPSDF")
    keys = [mark + f"{7_919 * n**3:0{length}}".translate(letters) for n in range(1, 60)]
    plain = Redactor(CHECKS, policy=Policy.KEEP).text(end.join(keys))
    assert [each for each in keys if each in plain] == []


def test_a_long_list_of_keys_is_no_encoded_file():
    text = "".join(f"sk-{n:03}{SIGN}\n" for n in range(200))
    assert SIGN not in Redactor(CHECKS, policy=Policy.KEEP).text(text)
    assert Redactor(CHECKS, policy=Policy.KEEP).text(cut(BLOB * 40, 76)) == cut(BLOB * 40, 76)
