"""Forged, expired and malformed access tokens: none is accepted, none gets another answer than the one refusal."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from governlayer_server.adapters.crypto.access_tokens import AccessTokens
from governlayer_server.domain.access import Role
from governlayer_server.domain.errors import NotAuthenticated

from tests.fakes.clock import START_US, FakeClock, FakeEntropy
from tests.fakes.forge import resigned
from tests.fakes.forged_tokens import forged_tokens

KEY, PREVIOUS = bytes(range(64)), bytes(range(64, 128))
NOW_S = START_US // 1_000_000
LIFETIME_S = 900


def tokens_with(*keys: bytes, clock: FakeClock | None = None) -> AccessTokens:
    return AccessTokens(
        keys=keys,
        issuer="gl.example.com",
        audience="governlayer",
        lifetime_s=LIFETIME_S,
        clock=clock or FakeClock(),
        entropy=FakeEntropy(),
    )


def issued(tokens: AccessTokens, now_us: int = START_US) -> str:
    return tokens.issue(
        subject=UUID(int=1), organization_id=UUID(int=2), role=Role.ADMIN, session_id=UUID(int=3), now_us=now_us
    )


GENUINE = issued(tokens_with(KEY, PREVIOUS))
FORGED = forged_tokens(KEY, GENUINE, NOW_S)


@pytest.fixture(autouse=True)
def no_connection_and_no_file(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a token made the server look somewhere")

    with monkeypatch.context() as patched:
        patched.setattr("socket.socket.connect", refuse)
        patched.setattr("socket.getaddrinfo", refuse)
        patched.setattr("builtins.open", refuse)
        patched.setattr("os.open", refuse)
        yield


def test_the_corpus_is_large_and_its_signatures_are_right() -> None:
    assert len(FORGED) >= 90
    assert len(set(FORGED.values())) == len(FORGED)
    assert resigned(KEY, GENUINE) == GENUINE
    assert tokens_with(KEY, PREVIOUS).verify(resigned(KEY, GENUINE)).subject == UUID(int=1)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused_without_a_hint(name: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        tokens_with(KEY, PREVIOUS).verify(FORGED[name])
    assert str(refused.value) == "the credential is not valid"
    assert refused.value.__cause__ is None


def test_each_character_of_a_token_counts() -> None:
    tokens = tokens_with(KEY, PREVIOUS)
    for at, character in enumerate(GENUINE):
        for other in {"A", "B", "-", ".", "=", chr(ord(character) ^ 1)} - {character}:
            with pytest.raises(NotAuthenticated):
                tokens.verify(GENUINE[:at] + other + GENUINE[at + 1 :])
        with pytest.raises(NotAuthenticated):
            tokens.verify(GENUINE[:at])
