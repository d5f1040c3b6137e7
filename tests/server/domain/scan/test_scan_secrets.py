"""
Keys, tokens, private keys and passwords: found by format and checksum.

Every secret here is assembled from pieces, so that no scanner takes this file for a leak.
"""

import base64
import binascii
import json

import pytest
from governlayer_server.domain.scan import Finding, ScanText, Severity, redact, scan
from governlayer_server.domain.scan.checksums import BASE62, base62_crc32
from hypothesis import given
from hypothesis import strategies as st

A40 = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYz9a8b7c6d5"
B36 = "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW1xY3"
HEADER = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).decode().rstrip("=")
CLAIMS = base64.urlsafe_b64encode(json.dumps({"sub": "1234567890"}).encode()).decode().rstrip("=")
BEGIN, END = "-----BEGIN RSA PRIVATE " + "KEY-----", "-----END RSA PRIVATE " + "KEY-----"
BODY = "MIIEpAIBAAKCAQEAvcMVMB2vEbqI6PlSNJ4HmUyMxBDJ5iY7FSzDDAH\n" * 3


def findings(text: str, kind: str) -> list[Finding]:
    return [finding for finding in scan([ScanText(text=text)]) if finding.type == kind]


def found(text: str, kind: str) -> list[str]:
    return [text[f.start : f.end] for f in findings(text, kind)]


def governlayer_key(random_part: str) -> str:
    stem = "gl_" + random_part
    rest, digits = binascii.crc32(stem.encode()), ""
    while rest:
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return stem + digits.rjust(6, "0")


base62_30 = st.text(BASE62, min_size=30, max_size=30)


@given(base62_30, st.sampled_from(["{}", "key={}", "x{}y", "😀{}", "({})", "e\u0301 {}."]))
def test_a_governlayer_key_with_its_checksum_is_certain(random_part: str, around: str) -> None:
    key = governlayer_key(random_part)
    text = around.format(key)
    hits = [f for f in findings(text, "api_key") if f.rule_id == "api_key.governlayer"]
    assert [(text[f.start : f.end], f.confidence, f.severity) for f in hits] == [(key, 100, Severity.CRITICAL)]


@given(base62_30, st.integers(3, 38), st.sampled_from(BASE62))
def test_a_governlayer_key_with_one_changed_character_is_not_certain(random_part: str, place: int, other: str) -> None:
    key = governlayer_key(random_part)
    if key[place] == other:
        return
    changed = key[:place] + other + key[place + 1 :]
    assert all(finding.confidence < 100 for finding in findings(changed, "api_key"))


def test_a_governlayer_key_with_a_wrong_checksum_is_still_suspected() -> None:
    text = "gl_" + B36
    assert [(f.rule_id, f.confidence) for f in findings(text, "api_key")] == [("api_key.governlayer_like", 60)]


def test_the_checksum_is_padded_with_zeros() -> None:
    assert base62_crc32("") == "000000"
    assert base62_crc32("123456789") == "3jZRME"  # 0xCBF43926, the check value of CRC-32


KEYS = [
    ("aws_access_key_id", "AK" + "IA" + "Q7R2S5T4U6V3W2X5"),
    ("github_token", "gh" + "p_" + B36),
    ("github_token", "gh" + "s_" + B36),
    ("github_fine_grained", "github_" + "pat_" + B36[:22] + "_" + B36 + B36[:23]),
    ("gitlab_token", "gl" + "pat-" + B36[:20]),
    ("slack_token", "xo" + "xb-123456789012-123456789012-" + B36[:24]),
    ("slack_webhook", "https://hooks." + "slack.com/services/T01ABCDEF/B01ABCDEF/" + B36[:24]),
    ("stripe_key", "sk" + "_live_" + B36[:24]),
    ("anthropic_key", "sk-" + "ant-api03-" + B36 + B36),
    ("openai_key", "sk-" + "proj-" + B36 + "T3BlbkFJ" + B36),
    ("openai_style_key", "sk-" + B36 + B36[:12]),
    ("google_api_key", "AI" + "za" + B36[:35]),
    ("npm_token", "np" + "m_" + B36),
]


@pytest.mark.parametrize(("rule", "secret"), KEYS)
@pytest.mark.parametrize(
    "around",
    ["export KEY={}", '"{}"', "use {} please", "🔑{}🔑", "[INFO]{}", "{}[INFO]", "[API_KEY]{}[API_KEY]", "@{}", "#{}#"],
)
def test_a_key_of_a_known_format_is_found(rule: str, secret: str, around: str) -> None:
    text = around.format(secret)
    hits = [(f.rule_id, text[f.start : f.end]) for f in findings(text, "api_key")]
    assert (f"api_key.{rule}", secret) in hits


@pytest.mark.parametrize(("rule", "secret"), [key for key in KEYS if key[0] != "google_api_key"])
@pytest.mark.parametrize("around", ["x{}", "key{}", "_{}", "7{}", "é{}", "密钥{}", "{}Z", "x{}x", "{}_x"])
def test_a_key_that_is_glued_to_a_word_is_found_with_what_follows_it(rule: str, secret: str, around: str) -> None:
    text = around.format(secret)
    spans = [text[f.start : f.end] for f in findings(text, "api_key") if f.rule_id == f"api_key.{rule}"]
    assert [span for span in spans if secret in span], spans
    assert secret[8:] not in redact(text, scan([ScanText(text=text)]))


@pytest.mark.parametrize("stand_in", [B36, "x" * 36])
def test_a_key_glued_to_a_key_or_to_a_stand_in_does_not_survive(stand_in: str) -> None:
    hidden = "Zy9Xw8Vu7Ts6Rq5Po4Nm3Lk2Ji1Hg0Fe9Dc8"
    text = "gh" + "p_" + stand_in + "gh" + "p_" + hidden
    assert hidden not in redact(text, scan([ScanText(text=text)]))


@given(base62_30, st.text(BASE62 + "_", max_size=40))
def test_nothing_written_before_a_governlayer_key_hides_it(random_part: str, before: str) -> None:
    key = governlayer_key(random_part)
    certain = [f for f in findings(f"gl_{before}{key}", "api_key") if f.confidence == 100]
    assert (3 + len(before), 42 + len(before)) in [(f.start, f.end) for f in certain]


@pytest.mark.parametrize(
    "text",
    [
        "gh" + "p_" + "x" * 36,
        "task-" + "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "disk_" + "test_integration",
        "base64 " + B36 + "AI" + "za" + B36[:35] + B36,
        "the gl_FragColor and gl_ModelViewProjectionMatrix variables",
        "AK" + "IA is the prefix of keys",
        "task-force-sk-learn-and-other-words",
        "a sha256 is e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "uuid 550e8400-e29b-41d4-a716-446655440000",
        "token: <your token here>",
        "api_key = os.environ['API_KEY']",
        "password: ${DB_PASSWORD}",
        "the password field is required",
    ],
)
def test_what_only_resembles_a_secret_is_left_alone(text: str) -> None:
    assert [f for f in scan([ScanText(text=text)]) if f.type in {"api_key", "password", "jwt", "private_key"}] == []


@pytest.mark.parametrize("prefix", ["aws_secret_access_key = ", "AWS_SECRET_KEY: '", 'secretAccessKey: "'])
def test_an_aws_secret_key_is_found_near_its_name(prefix: str) -> None:
    assert found(f"{prefix}{A40}'", "api_key") == [A40]
    assert found(f"digest {A40}", "api_key") == []


def test_a_jwt_with_a_jose_header_is_certain() -> None:
    token = f"{HEADER}.{CLAIMS}.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    text = f"Cookie: 😀={token};"
    assert [(text[f.start : f.end], f.confidence) for f in findings(text, "jwt")] == [(token, 99)]


def test_a_jwt_whose_header_is_garbage_is_less_sure() -> None:
    assert [f.confidence for f in findings(f"eyJhbadheader.{CLAIMS}.sig", "jwt")] == [70]
    assert findings(f"{HEADER} {CLAIMS}", "jwt") == []


@pytest.mark.parametrize("body", [BODY, BODY.replace("\n", "\\n"), BODY.replace("\n", " ")])
def test_a_private_key_block_is_found_whole(body: str) -> None:
    block = f"{BEGIN}\n{body}{END}"
    text = f"before {block} after"
    assert found(text, "private_key") == [block]


def test_a_cut_off_private_key_is_found_to_the_end_of_its_body() -> None:
    text = f"{BEGIN}\n{BODY}"
    assert found(text + "#### end", "private_key")[0].startswith(text.strip())


def test_two_private_keys_are_two_findings() -> None:
    block = f"{BEGIN}\n{BODY}{END}"
    assert found(f"{block}\n{block}", "private_key") == [block, block]


def test_the_mere_line_of_a_private_key_is_no_secret() -> None:
    assert found(f"a file that begins with {BEGIN} is a key", "private_key") == []
    assert found(f"{BEGIN}{END}", "private_key") == []


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("postgres://app:S3cr3t-pw@db.internal:5432/x", "S3cr3t-pw"),
        ("https://deploy:p@ss:w0rd@git.example.org/repo", "p@ss:w0rd"),
        ("redis://:hunter22@cache:6379", "hunter22"),
        ("db_password='n8Rt.qW5z'", "n8Rt.qW5z"),
        ("DB_PASSWORD=Falcon-Storm3782\n", "Falcon-Storm3782"),
    ],
)
def test_a_password_in_a_url_or_assignment_is_found(text: str, password: str) -> None:
    assert found(text, "password") == [password]


@pytest.mark.parametrize(
    "text",
    ["https://user:[PASSWORD]@host/x", "http://host:8080/path@home", "https://user:${PW}@host", "https://u:password@h"],
)
def test_a_url_without_a_real_password_is_left_alone(text: str) -> None:
    assert found(text, "password") == []
