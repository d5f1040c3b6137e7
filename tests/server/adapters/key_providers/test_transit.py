"""Keys that Vault or OpenBao opens: asked once, verified, and whatever it answers but a key is a clear refusal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from governlayer_server.adapters.key_providers.file import CIPHERTEXT, file_texts
from governlayer_server.adapters.key_providers.transit import TransitAddress, TransitKeys
from governlayer_server.adapters.tls.contexts import load_pair, server_context
from governlayer_server.domain.errors import ConfigurationError, GovernLayerError, Unavailable
from msgspec.structs import replace

from tests.fakes.canned_http import canned, http
from tests.fakes.tls import Pair, server_pair
from tests.fakes.transit import TOKEN, Transit

KEY, NEXT = bytes(range(32)), bytes(range(100, 132))


class Place:
    """The files of a provider; ``address`` lacks the port."""

    def __init__(self, directory: Path) -> None:
        self.file, self.following, self.token = (directory / name for name in ("kek", "kek.next", "token"))
        self.token.write_text(TOKEN + "\n")
        self.token.chmod(0o640)
        self.address = TransitAddress(url="", key="governlayer", token=self.token)

    def keys(self, url: str, **changes: object) -> TransitKeys:
        read = file_texts(self.file, self.following, CIPHERTEXT)
        return TransitKeys(replace(self.address, url=url, **changes), read)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@asynccontextmanager
async def opened(transit: Transit, place: Place, **changes: object) -> AsyncIterator[TransitKeys]:
    """Inside, a provider whose file holds the key as *transit* closed it."""
    place.file.write_text(transit.encrypt(KEY))
    async with transit.serving() as port:
        yield place.keys(f"http://127.0.0.1:{port}", **changes)


async def refusal(keys: TransitKeys) -> str:
    with pytest.raises(GovernLayerError) as refused:
        await keys.keys()
    assert TOKEN not in str(refused.value)
    kind = "away" if isinstance(refused.value, Unavailable) else "refused"
    assert isinstance(refused.value, Unavailable | ConfigurationError)
    return f"{kind}: {refused.value}"


async def test_an_opened_key_stays_and_the_server_is_not_asked_again(place: Place) -> None:
    transit = Transit()
    async with opened(transit, place) as keys:
        assert list(await keys.keys()) == [KEY]
        transit.is_sealed = True
        assert list(await keys.keys()) == [KEY]
        place.following.write_text(transit.encrypt(NEXT))
        assert "sealed" in await refusal(keys)
        transit.is_sealed = False
        assert list(await keys.keys()) == [KEY, NEXT]
    assert list(await keys.keys()) == [KEY, NEXT], "the server is gone"
    assert transit.asked == ["decrypt", "decrypt"]


async def test_a_key_that_is_taken_away_is_forgotten(place: Place) -> None:
    transit = Transit()
    async with opened(transit, place) as keys:
        await keys.keys()
        place.file.write_text(transit.encrypt(NEXT))
        assert list(await keys.keys()) == [NEXT]
        assert KEY not in keys._opened.values()


async def test_the_token_is_read_at_each_request(place: Place) -> None:
    transit = Transit()
    async with opened(transit, place) as keys:
        transit.tokens = {"hvs.another"}
        assert "refused" in await refusal(keys)
        place.token.write_text("hvs.another")
        assert list(await keys.keys()) == [KEY]


async def test_a_wrong_token_is_a_refusal_that_names_its_file_and_the_policy(place: Place) -> None:
    async with opened(Transit(tokens=set()), place) as keys:
        said = await refusal(keys)
    assert said.startswith("refused")
    assert str(place.token) in said
    assert "transit/decrypt/governlayer" in said


async def test_a_missing_or_open_token_file_is_a_refusal(place: Place) -> None:
    transit = Transit()
    async with opened(transit, place) as keys:
        place.token.chmod(0o644)
        assert str(place.token) in await refusal(keys)
        place.token.unlink()
        assert "missing" in await refusal(keys)
    assert transit.asked == []


async def test_a_sealed_server_is_away(place: Place) -> None:
    async with opened(Transit(is_sealed=True), place) as keys:
        assert (await refusal(keys)).startswith("away")


async def test_versions_of_the_transit_key_open_until_they_are_disallowed_and_rewrap_moves_on(place: Place) -> None:
    transit = Transit()
    async with opened(transit, place) as keys:
        old = place.file.read_text()
        transit.rotate()
        assert list(await keys.keys()) == [KEY]
        new = await keys.rewrap(old)
        assert (old[:9], new[:9]) == ("vault:v1:", "vault:v2:")
        transit.min_decryption_version = 2
        fresh = place.keys(keys._address.url)
        assert "min_decryption_version" in await refusal(fresh)
        with pytest.raises(ConfigurationError):
            await fresh.rewrap(old)
        place.file.write_text(new)
        assert list(await fresh.keys()) == [KEY]


async def test_a_ciphertext_of_another_transit_key_is_refused(place: Place) -> None:
    async with opened(Transit(), place) as keys:
        place.file.write_text(Transit().encrypt(KEY))
        assert (await refusal(keys)).startswith("refused")


@pytest.mark.parametrize(
    "text", ["AAAA", "vault:v0:AAAA", "vault:v1:", "vault:v1:a\u0020b", "vault:vx:AAAA", "vault:v1:{}"]
)
async def test_what_is_no_ciphertext_is_not_sent(place: Place, text: str) -> None:
    transit = Transit()
    async with opened(transit, place) as keys:
        place.file.write_text(text)
        assert (await refusal(keys)).startswith("refused")
    assert transit.asked == []


async def test_the_mount_the_key_and_the_namespace_are_those_of_the_settings(place: Place) -> None:
    async with opened(Transit(), place, key="another") as keys:
        assert (await refusal(keys)).startswith("refused")
    transit = Transit(mount="teams/crypto", namespace="admin/eu")
    async with opened(transit, place, mount="teams/crypto", namespace="admin/eu") as keys:
        assert list(await keys.keys()) == [KEY]
    async with opened(transit, place, mount="teams/crypto") as keys:
        assert "namespace" in await refusal(keys)


async def test_what_is_protected_was_seen_to_open(place: Place) -> None:
    transit = Transit()
    async with opened(transit, place) as keys:
        place.file.write_text(await keys.protect(NEXT))
        assert list(await keys.keys()) == [NEXT]
        transit.may = {"encrypt"}
        with pytest.raises(ConfigurationError, match="decrypt"):
            await keys.protect(KEY)


async def test_a_server_that_gives_another_key_back_is_found_before_the_key_is_used(place: Place) -> None:
    transit = Transit()
    async with opened(transit, place) as keys:
        transit._decrypt = lambda _: KEY  # type: ignore[method-assign]
        with pytest.raises(ConfigurationError, match="give back"):
            await keys.protect(NEXT)


@pytest.mark.parametrize("status", [301, 307, 412, 429, 500, 502, 503])
async def test_who_may_answer_later_is_away(place: Place, status: int) -> None:
    assert (await answered(place, http(status, b"{}", "location: http://127.0.0.1:9/"))).startswith("away")


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 405, 418])
async def test_who_refuses_is_not_asked_for_ever(place: Place, status: int) -> None:
    assert (await answered(place, http(status))).startswith("refused")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"data":null}', b'{"data":{}}', b'{"data":{"plaintext":[]}}', b'{"data":{"plaintext":"?"}}',
     b'{"data":{"plaintext":"Q0FOQVJZ"}}', b'{"data":{"plaintext":"' + b"A" * 43 + b'="}}', b"\xff", b"<html>CANARY"],
)  # fmt: skip
async def test_an_answer_that_is_no_key_is_refused_and_not_repeated(place: Place, body: bytes) -> None:
    said = await answered(place, http(200, body))
    assert said.startswith("refused")
    assert "CANARY" not in said
    assert "Q0FO" not in said


async def answered(place: Place, answer: bytes) -> str:
    async def say(_: bytes) -> bytes:
        return answer

    place.file.write_text(Transit().encrypt(KEY))
    async with canned(say) as port:
        return await refusal(place.keys(f"http://127.0.0.1:{port}"))


async def test_https_is_verified_before_the_token_leaves(place: Place, tmp_path: Path) -> None:
    transit, pair, elsewhere = Transit(), server_pair(tmp_path / "tls"), server_pair(tmp_path / "elsewhere")
    named = server_pair(tmp_path / "named", ["vault.example.com"])
    place.file.write_text(transit.encrypt(KEY))
    for served, trusted in ((pair, elsewhere.ca), (pair, None), (named, named.ca)):
        async with transit.serving(context_of(served)) as port:
            assert (await refusal(place.keys(f"https://localhost:{port}", ca=trusted))).startswith("away")
    assert transit.asked == []
    async with transit.serving(context_of(pair)) as port:
        assert list(await place.keys(f"https://localhost:{port}", ca=pair.ca).keys()) == [KEY]


def context_of(pair: Pair):
    context = server_context()
    load_pair(context, pair.certificate, pair.key)
    return context


async def test_plain_http_goes_to_this_machine_only(place: Place) -> None:
    place.file.write_text(Transit().encrypt(KEY))
    assert "loopback" in await refusal(place.keys("http://vault.example.com:8200"))


async def test_no_key_and_no_token_is_shown(place: Place) -> None:
    async with opened(Transit(), place) as keys:
        await keys.keys()
        assert repr(KEY)[2:-1] not in f"{keys!r} {[keys]}"
        assert TOKEN not in f"{keys!r} {keys._address!r}"
