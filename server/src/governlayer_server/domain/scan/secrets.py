"""
Secrets: keys with a known shape, private key blocks, JSON Web Tokens, and passwords in URLs and assignments.

A key format is one line of a table: a literal that must occur (so that most texts cost one substring search),
the pattern, and how sure a hit is. Where a format carries a checksum or a header, that is checked too.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Literal

import msgspec

from governlayer_server.domain.scan import checksums
from governlayer_server.domain.scan.boundaries import joined
from governlayer_server.domain.scan.detector import Detector, Match, linear
from governlayer_server.domain.scan.finding import Severity

_B62 = "0-9A-Za-z"
_REFS = ("CWE-798", "OWASP-LLM02:2025")


class _KeyFormat(msgspec.Struct, frozen=True):
    """
    A vendor's key: rule name, literals of which one must occur, pattern, percent of trust.

    Where it continues a word, a hit counts always, if its characters look random, or never: what begins like the end
    of a word (``task-``, ``disk_test_``) or is as short as chance in base64 is no key for its shape alone.
    """

    rule: str
    literals: tuple[str, ...]
    pattern: str
    confidence: int
    joined: Literal["always", "random", "never"] = "always"


_KEY_FORMATS = (
    _KeyFormat("aws_access_key_id", ("AKIA", "ASIA", "ABIA", "ACCA"), r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}", 95),
    _KeyFormat("github_token", ("gh",), rf"gh[pousr]_[{_B62}]{{36,251}}", 99),
    _KeyFormat("github_fine_grained", ("github_pat_",), rf"github_pat_[{_B62}_]{{60,90}}", 99),
    _KeyFormat("gitlab_token", ("glpat-", "glrt-", "gldt-"), rf"gl(?:pat|rt|dt)-[{_B62}_-]{{20,50}}", 97),
    _KeyFormat("slack_token", ("xox",), rf"xox[abeoprs]-[{_B62}-]{{10,250}}", 97),
    _KeyFormat("slack_app_token", ("xapp-",), rf"xapp-[0-9]-[{_B62}-]{{20,250}}", 97),
    _KeyFormat(
        "slack_webhook",
        ("hooks.slack.com",),
        rf"https://hooks\.slack\.com/(?:services|workflows)/[{_B62}+/]{{40,60}}",
        97,
    ),
    _KeyFormat("stripe_key", ("_live_", "_test_"), rf"[sr]k_(?:live|test)_[{_B62}]{{10,200}}", 97, "random"),
    _KeyFormat("stripe_webhook_secret", ("whsec_",), rf"whsec_[{_B62}+/]{{20,100}}={{0,2}}", 97),
    _KeyFormat("anthropic_key", ("sk-ant-",), rf"sk-ant-[{_B62}_-]{{20,200}}", 98, "random"),
    _KeyFormat("openai_key", ("sk-",), rf"sk-(?:proj|svcacct|admin|None)-[{_B62}_-]{{20,250}}", 98, "random"),
    _KeyFormat("openai_style_key", ("sk-",), rf"sk-(?:or-v1-|lf-)?[{_B62}]{{20,100}}", 85, "random"),
    _KeyFormat("google_api_key", ("AIza",), rf"AIza[{_B62}_-]{{35}}", 95, "never"),
    _KeyFormat("google_oauth_secret", ("GOCSPX-",), rf"GOCSPX-[{_B62}_-]{{28}}", 97),
    _KeyFormat("npm_token", ("npm_",), rf"npm_[{_B62}]{{36}}", 97),
    _KeyFormat("pypi_token", ("pypi-",), rf"pypi-AgE[{_B62}_-]{{50,250}}", 98),
    _KeyFormat("sendgrid_key", ("SG.",), rf"SG\.[{_B62}_-]{{16,32}}\.[{_B62}_-]{{16,64}}", 97, "random"),
    _KeyFormat("hugging_face_token", ("hf_",), rf"hf_[{_B62}]{{30,40}}", 90),
    _KeyFormat("digital_ocean_token", ("_v1_",), r"do[opr]_v1_[a-f0-9]{64}", 98),
    _KeyFormat("telegram_token", (":AA",), rf"[0-9]{{8,10}}:AA[{_B62}_-]{{32,33}}", 95),
    _KeyFormat("age_secret_key", ("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[0-9A-Z]{58}", 99),
)
_DISTINCT_AT_LEAST = 10  # ghp_xxxxxxxx and its like are stand-ins
_TAIL = linear(rf"^[{_B62}_]*")
_TAIL_AT_MOST = 256
_COMPILED = tuple((key, linear(key.pattern)) for key in _KEY_FORMATS)

_GOVERNLAYER = linear("gl_")
_GOVERNLAYER_REST = linear(rf"^[{_B62}]{{36}}")
_GOVERNLAYER_LENGTH = 39
_GOVERNLAYER_LIKE = linear(rf"gl_[{_B62}_-]{{20,80}}")
_AWS_SECRET = linear(
    r"aws[^\[\]\n]{0,40}?(?:secret|key|token)[^\[\]\n]{0,20}?[\s\"'=:]([0-9A-Za-z/+]{40})(?:[^0-9A-Za-z/+=]|$)",
    ignore_case=True,
)
_AWS_SECRET_BARE = linear(
    r"secret_?-?access_?-?key[\"']?[\s\"'=:>]{1,6}([0-9A-Za-z/+]{40})(?:[^0-9A-Za-z/+=]|$)", ignore_case=True
)

_JWT = linear(rf"eyJ[{_B62}_-]{{6,}}\.eyJ[{_B62}_-]{{4,}}\.[{_B62}_-]*")
_JWT_HEADER_AT_MOST = 4096

_PEM_LINE = linear(r"-----(BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = linear(r"(?:[0-9A-Za-z+/=:,\s\"'`-]|\\[nrt\\])*")
_PEM_BODY_AT_LEAST = 32

_URL_PASSWORD = linear(r"[A-Za-z][0-9A-Za-z+.-]*://[^\s/:@\"'<>\[\]]*:([^\s/\"'<>]+)@[^\s@]")
_ASSIGNED = linear(
    r"(pass(?:word|wd|phrase|code)?|pwd|passwort|contraseña|mot de passe|secret|token|api[_ -]?key"
    r"|access[_ -]?key|auth[_ -]?key|private[_ -]?key|client[_ -]?secret|credential)s?(?:[\"']\]?)?"
    r"(?:\s{0,3}(?:=>|:=|==?|:)|\s+is:?)\s{0,3}[\"'`]?([^\s\"'`,;<>(){}\[\]]{8,200})",
    ignore_case=True,
)
_AUTHORIZATION = linear(r"\b(?:Bearer|Basic|token)\s+([0-9A-Za-z._~+/-]{16,}={0,2})")
_STAND_IN = linear(
    r"^(?:pass|pw|pwd|passwd|user|sha[0-9]+-.*|iVBOR.*|\[.*\]|<.*>|\$.*|%.*%|\{.*\}?|\*+|\.+|x+|_+)$|example|placeholder|changeme|change_me|your|dummy|redacted"
    r"|xxxx|\*\*\*|process\.env|os\.environ|getenv|password|secret|token$|null|none|true|false|undefined",
    ignore_case=True,
)


def find_api_keys(text: str) -> Iterator[Match]:
    """Yield keys of GovernLayer, clouds, code hosts, payment and model providers by their formats."""
    yield from _governlayer_keys(text)
    yield from _aws_secrets(text)
    for key, pattern in _COMPILED:
        if not any(literal in text for literal in key.literals):
            continue
        done = 0
        for hit in pattern.finditer(text):
            if hit.start() < done:
                continue
            # What is glued behind a key goes with it: it may be the next key, whose beginning the pattern took in.
            end = hit.end() + _TAIL.match(text[hit.end() : hit.end() + _TAIL_AT_MOST]).end()
            if len(set(text[hit.start() : end])) >= _DISTINCT_AT_LEAST and _counts(key, text, *hit.span()):
                done = end
                yield _key(key.rule, key.confidence, hit.start(), end)
    yield from _assigned(text, "api_key")


def _counts(key: _KeyFormat, text: str, start: int, end: int) -> bool:
    if key.joined == "always" or not joined(text, start, end):
        return True
    return key.joined == "random" and _looks_random(text[start:end])


def _governlayer_keys(text: str) -> Iterator[Match]:
    """Yield GovernLayer keys: certain when the last six characters are the CRC-32 of the rest (api §2)."""
    if "gl_" not in text:
        return
    for hit in _GOVERNLAYER.finditer(text):
        key = text[hit.start() : hit.start() + _GOVERNLAYER_LENGTH]
        if _GOVERNLAYER_REST.match(key[3:]) and checksums.base62_crc32(key[:33]) == key[33:]:
            yield _key("governlayer", 100, hit.start(), hit.start() + len(key))
    for hit in _GOVERNLAYER_LIKE.finditer(text):
        if _looks_random(hit.group()[3:]) and not joined(text, *hit.span()):
            yield _key("governlayer_like", 60, hit.start(), hit.end())


def _aws_secrets(text: str) -> Iterator[Match]:
    for pattern in (_AWS_SECRET, _AWS_SECRET_BARE):
        for hit in pattern.finditer(text):
            if _looks_random(hit.group(1)):
                yield _key("aws_secret_access_key", 90, *hit.span(1))


def _key(rule: str, confidence: int, start: int, end: int) -> Match:
    return Match(
        type="api_key",
        severity=Severity.CRITICAL if confidence >= 80 else Severity.HIGH,
        confidence=confidence,
        start=start,
        end=end,
        rule_id=f"api_key.{rule}",
        refs=_REFS,
    )


def _looks_random(value: str) -> bool:
    """Tell whether *value* mixes at least two digits with letters of both cases, as random keys do."""
    digits = sum(char.isdigit() for char in value)
    return digits >= 2 and any(char.islower() for char in value) and any(char.isupper() for char in value)


def find_jwts(text: str) -> Iterator[Match]:
    """Yield JSON Web Tokens (RFC 7519): certain when the first part decodes to a JOSE header with ``alg``."""
    if "eyJ" not in text:
        return
    for hit in _JWT.finditer(text):
        certain = _is_jose_header(hit.group().partition(".")[0])
        yield Match(
            type="jwt",
            severity=Severity.HIGH,
            confidence=99 if certain else 70,
            start=hit.start(),
            end=hit.end(),
            rule_id="jwt.compact",
            refs=_REFS,
        )


def _is_jose_header(part: str) -> bool:
    if len(part) > _JWT_HEADER_AT_MOST:
        return False
    try:
        header = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(header, dict) and ("alg" in header or "enc" in header)


def find_private_keys(text: str) -> Iterator[Match]:
    """Yield PEM private keys (RFC 7468) from BEGIN to END, or to the end of the body without it."""
    lines = list(_PEM_LINE.finditer(text)) if "PRIVATE KEY" in text else []
    for place, line in enumerate(lines):
        if line.group(1) != "BEGIN":
            continue
        following = lines[place + 1] if place + 1 < len(lines) else None
        limit = following.start() if following else len(text)
        if following and following.group(1) == "END":
            end = following.end()
        else:
            end = line.end() + _PEM_BODY.match(text[line.end() : limit]).end()
        if limit - line.end() >= _PEM_BODY_AT_LEAST and end - line.end() >= _PEM_BODY_AT_LEAST:
            yield Match(
                type="private_key",
                severity=Severity.CRITICAL,
                confidence=99,
                start=line.start(),
                end=end,
                rule_id="private_key.pem",
                refs=_REFS,
            )


def find_passwords(text: str) -> Iterator[Match]:
    """Yield passwords in the userinfo of URLs (RFC 3986 §3.2.1) and in assignments; not stand-ins."""
    if "://" in text:
        for hit in _URL_PASSWORD.finditer(text):
            if not _STAND_IN.search(hit.group(1)):
                yield _password("url", 95, *hit.span(1))
    yield from _assigned(text, "password")


def _password(rule: str, confidence: int, start: int, end: int) -> Match:
    return Match(
        type="password",
        severity=Severity.HIGH,
        confidence=confidence,
        start=start,
        end=end,
        rule_id=f"password.{rule}",
        refs=_REFS,
    )


def _assigned(text: str, wanted: str) -> Iterator[Match]:
    """Yield values assigned to names such as ``db_password`` or ``api_key``, of the type *wanted*."""
    for hit in _ASSIGNED.finditer(text):
        value, (start, end) = hit.group(2), hit.span(2)
        kind = "password" if hit.group(1).lower().startswith(("pass", "pwd", "contra", "mot")) else "api_key"
        if kind != wanted or _STAND_IN.search(value):
            continue
        if kind == "password" and _mixed(value):
            yield _password("assigned", 60, start, end)
        elif kind == "api_key" and len(value) >= 16 and _mixed(value):
            yield _key("assigned", 60, start, end)
    if wanted == "api_key":
        for hit in _AUTHORIZATION.finditer(text):
            if _mixed(hit.group(1)) and not _STAND_IN.search(hit.group(1)):
                yield _key("authorization", 70, *hit.span(1))


def _mixed(value: str) -> bool:
    """Tell whether *value* has letters and digits and no dots or slashes that make it a name or a path."""
    named = value.count(".") + value.count("/") + value.count("_") > 2
    mixed = any(char.isdigit() for char in value) and any(char.isalpha() for char in value)
    return mixed and not named and "://" not in value


API_KEY = Detector(id="api_key", version="1", family="secret", find=find_api_keys)
JWT = Detector(id="jwt", version="1", family="secret", find=find_jwts)
PRIVATE_KEY = Detector(id="private_key", version="1", family="secret", find=find_private_keys)
PASSWORD = Detector(id="password", version="1", family="secret", find=find_passwords)
DETECTORS = (API_KEY, JWT, PRIVATE_KEY, PASSWORD)
