from __future__ import annotations

import pytest

from fairlead.core.redact import Policy, Redactor

BODY = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJ{BODY[:20]}.{BODY}"

SECRETS = [
    f"sk-proj-{BODY}", f"sk-ant-api03-{BODY}", f"AKIA{'Q3EXAMPL7ZSECRET'}", f"AIza{BODY[:35]}", f"ghp_{BODY[:36]}",
    f"github_pat_{BODY}", f"glpat-{BODY[:20]}", f"xoxb-{BODY[:24]}", f"hf_{BODY[:34]}", f"gsk_{BODY}", f"npm_{BODY[:36]}",
    f"sk_live_{BODY[:24]}", f"SG.{BODY[:22]}.{BODY}", JWT, f"hvs.{BODY}", f"nvapi-{BODY}", f"r8_{BODY[:37]}",
    f"ABSK{BODY}{BODY}", f"glrt-{BODY[:20]}", f"tgp_v1_{BODY}", f"csk-{BODY}ab", f"lsv2_pt_{'0a' * 16}_{'0b' * 5}", f"pcsk_{BODY}",
    f"ATATT3{BODY}{BODY}", f"figd_{BODY}", f"sbp_{'0a' * 20}", f"glsa_{BODY[:32]}_{'0b' * 4}", f"secret_{BODY}xyz", f"NRAK-{'A1B' * 9}",
    f"abc8Q~{BODY[:34]}", f"123456789:AA{BODY[:33]}", f"discord.com/api/webhooks/123456789012345678/{BODY}",
]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["use {} now", '{{"key":"x\\n{}"}}', "curl -H 'X: {}'", "a={};b", "({})", "{}"])
def test_a_provider_s_key_never_stays(secret: str, around: str, mask: Redactor) -> None:
    plain = mask.text(around.format(secret))
    assert secret[4:] not in plain
    assert "<" in plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("postgres://app:S3cr3t!pw@db.example.com/x", "postgres://app:<password 1>@db.example.com/x"),
        ("https://x:hunter22@host.example/", "https://x:<password 1>@host.example/"),
        (f"Authorization: Bearer {BODY}", "Authorization: Bearer <token 1>"),
        (f"?access_token={BODY}&x=1", "?access_token=<token 1>&x=1"),
        ("password: Tr0ub4dor and more", "password: <password 1> and more"),
        ('"password": "hunter22",', '"password": "<password 1>",'),
        ("Server=db;Uid=sa;Pwd=Pa55word;Database=x", "Server=db;Uid=sa;Pwd=<password 1>;Database=x"),
        (f'api_key = "{BODY[:24]}"', 'api_key = "<api key 1>"'),
        (f"AWS_SECRET_ACCESS_KEY={BODY}", "AWS_SECRET_ACCESS_KEY=<api key 1>"),
        ("mật khẩu là Abc12345", "mật khẩu là <password 1>"),
        ("my password is Tr0ub4dor&3", "my password is <password 1>"),
        ("Authorization: Basic dXNlcjpzZWNyZXR3b3Jk", "Authorization: Basic <token 1>"),
        ("curl -u admin:S3cretPw1 https://host.example", "curl -u admin:<password 1> https://host.example"),
        ("machine host login bob password hunter2z", "machine host login bob password <password 1>"),
        (f"https://host.example/?x%3Dsk-proj-{BODY}", "https://host.example/?x%3D<api key 1>"),
        (r"{\\\"password\\\": \\\"S3cretPass!\\\"}", r"{\\\"password\\\": \\\"<password 1>\\\"}"),
        (f"- key:\n  -sk-{BODY}", "- key:\n  -<api key 1>"),
        (f"sk-proj-{BODY[:12]}\u200b{BODY[12:]}", "<api key 1>"),
    ],
)
def test_a_secret_is_known_by_where_it_stands(text: str, plain: str, mask: Redactor) -> None:
    assert mask.text(text) == plain


def test_a_private_key_goes_as_a_whole_even_when_it_was_cut(mask: Redactor) -> None:
    whole = f"-----BEGIN EC PRIVATE KEY-----\n{BODY}\n{BODY}\n-----END EC PRIVATE KEY-----"
    assert mask.text(f"key:\n{whole}\nend") == "key:\n<private key 1>\nend"
    assert BODY not in mask.text(whole[:90])


@pytest.mark.parametrize("policy", list(Policy))
def test_secrets_go_under_every_policy(policy: Policy, by_policy) -> None:
    assert by_policy(policy).text(f"sk-proj-{BODY}") == "<api key 1>"


def test_a_field_s_name_gives_a_secret_away(mask: Redactor) -> None:
    found = mask.value({"login": {"password": "hunter22", "clientSecret": BODY}, "token": "hello"})
    assert found == {"login": {"password": "<password 1>", "clientSecret": "<api key 1>"}, "token": "hello"}
