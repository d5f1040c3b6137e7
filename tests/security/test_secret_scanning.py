"""The patterns for secret scanners find what the appliance makes, and nothing that only resembles it."""

import hashlib
import json
import math
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
import re2
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings
from governlayer_server.domain.api_key import make_api_key
from governlayer_server.domain.token_text import make_token
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Path(__file__).parents[2] / "security" / "secret-scanning"
GITLEAKS = tomllib.loads((FOLDER / "gitleaks.toml").read_text(encoding="utf-8"))["rules"]
GITHUB = json.loads((FOLDER / "github.json").read_text(encoding="utf-8"))
PLUGIN = {"name": "GovernLayerDetector", "path": f"file://{FOLDER / 'governlayer_detector.py'}"}
PLACES = [
    "{}",
    "key={}",
    'api_key: "{}"',
    "https://example.com/?k={}&x=1",
    "Bearer {}\n",
    "({})",
    "`{}`, and",
    "{}\t",
    "é{}é",
    "-{}-",
]

credentials = st.one_of(
    st.binary(min_size=32, max_size=32).map(make_api_key),
    st.binary(min_size=52, max_size=52).map(lambda drawn: make_token("glr_", UUID(int=7), drawn)),
    st.binary(min_size=32, max_size=32).map(lambda drawn: make_token("glt_", None, drawn)),
)


def gitleaks(text: str) -> Iterator[str]:
    for rule in GITLEAKS:
        if any(keyword in text.lower() for keyword in rule["keywords"]):
            found = (match.group() for match in re2.compile(rule["regex"]).finditer(text))
            yield from (secret for secret in found if entropy(secret) > rule["entropy"])


def github(text: str) -> Iterator[str]:
    for pattern in GITHUB:
        form = f"(?:{pattern['before_secret']})({pattern['secret_format']})(?:{pattern['after_secret']})"
        yield from (match.group(1) for match in re2.compile(form).finditer(text))


def detect_secrets(text: str) -> Iterator[str]:
    with transient_settings({"plugins_used": [PLUGIN]}):
        yield from (str(found.secret_value) for line in text.splitlines() for found in scan_line(line))


def entropy(text: str) -> float:
    shares = [text.count(character) / len(text) for character in set(text)]
    return -sum(share * math.log2(share) for share in shares)


SCANNERS = [gitleaks, github, detect_secrets]


@pytest.mark.parametrize("scanner", SCANNERS)
@given(credential=credentials, place=st.sampled_from(PLACES))
def test_a_credential_is_found_wherever_it_stands(
    scanner: Callable[[str], Iterator[str]], credential: str, place: str
) -> None:
    if entropy(credential) > 3:  # Hypothesis likes zeros; real randomness is never below
        assert list(scanner(place.format(credential))) == [credential]


@pytest.mark.parametrize("scanner", SCANNERS)
@given(credential=credentials)
def test_what_only_resembles_a_credential_is_not_found(
    scanner: Callable[[str], Iterator[str]], credential: str
) -> None:
    prefix, _, digits = credential.partition("_")
    near = [
        credential[:-1], credential + "0", "x" + credential, "_" + credential, "1" + credential, credential + "_",
        digits, f"{prefix.upper()}_{digits}", f"{prefix}-{digits}", f"{prefix}x_{digits}", f"g_{digits}",
        f"{prefix}_{digits[:9]} {digits[9:]}", f"{prefix}_{digits[:9]}-{digits[10:]}", f"{prefix}_{digits[1:]}é",
        f"glpat-{digits[:20]}", f"glsa_{digits[:32]}",
    ]  # fmt: skip
    for text in near:
        assert list(scanner(text)) == [], text


@given(credentials)
def test_the_plugin_tells_a_right_checksum_from_a_wrong_one(credential: str) -> None:
    wrong = credential[:-1] + ("0" if credential[-1] != "0" else "1")
    assert list(detect_secrets(wrong)) == []


def test_random_credentials_are_above_the_entropy_that_is_asked_for() -> None:
    for seed in range(1000):
        assert entropy(make_api_key(hashlib.sha256(seed.to_bytes(2, "big")).digest())) > 3
