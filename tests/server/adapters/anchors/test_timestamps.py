"""Time stamps are asked for and verified against an authority made of openssl, and openssl accepts what is kept."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from governlayer_server.adapters.anchors.timestamps import HttpTimestampAuthority
from governlayer_server.adapters.outgoing import OutgoingClient
from governlayer_server.domain.errors import ConfigurationError, NoteError, Unavailable
from rfc3161_client import decode_timestamp_response

from tests.fakes.canned_http import canned, http
from tests.fakes.timestamp_authority import OpensslAuthority

DATA = b"gl.example.com/ledgers/1\n3\nroot\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> OpensslAuthority:
    return OpensslAuthority(tmp_path_factory.mktemp("tsa") / "authority")


@asynccontextmanager
async def asking(
    authority: OpensslAuthority, roots: Path | None = None, change: Callable[[bytes], bytes] = bytes, status: int = 200
) -> AsyncIterator[HttpTimestampAuthority]:
    async def answer(query: bytes) -> bytes:
        return http(status, change(await authority.answer(query)), "content-type: application/timestamp-reply")

    async with canned(answer) as port:
        client = OutgoingClient(f"http://127.0.0.1:{port}", None)
        yield HttpTimestampAuthority(client, roots or authority.ca)
        await client.close()


async def test_a_stamp_is_of_the_sha_256_of_the_data_and_of_now(authority: OpensslAuthority, tmp_path: Path) -> None:
    async with asking(authority) as asked:
        token, time_us = await asked.stamp(DATA)
    assert abs(time_us / 1e6 - time.time()) < 60
    imprint = decode_timestamp_response(token).tst_info.message_imprint.message
    assert imprint == sha256(DATA).digest()
    (tmp_path / "3.txt").write_bytes(DATA)
    (tmp_path / "3.tsr").write_bytes(token)
    assert authority.verify(tmp_path / "3.txt", tmp_path / "3.tsr")
    (tmp_path / "3.txt").write_bytes(DATA + b"x")
    assert not authority.verify(tmp_path / "3.txt", tmp_path / "3.tsr")


async def test_a_stamp_of_something_else_or_of_another_request_is_refused(authority: OpensslAuthority) -> None:
    async with asking(authority) as asked:
        earlier, _ = await asked.stamp(DATA)
        other, _ = await asked.stamp(b"other")
    for replayed in (earlier, other):
        async with asking(authority, change=lambda _, replayed=replayed: replayed) as asked:  # type: ignore[misc]
            with pytest.raises(NoteError):
                await asked.stamp(DATA)


async def test_a_stamp_by_an_unknown_authority_is_refused(authority: OpensslAuthority, tmp_path: Path) -> None:
    stranger = OpensslAuthority(tmp_path / "stranger")
    async with asking(authority, stranger.ca) as asked:
        with pytest.raises(NoteError):
            await asked.stamp(DATA)


@pytest.mark.parametrize(
    "change", [lambda one: one[:-1], lambda one: one[:-9] + b"\x00" + one[-8:], lambda _: b"", lambda _: b"0"]
)
async def test_a_damaged_stamp_is_refused(authority: OpensslAuthority, change: Callable[[bytes], bytes]) -> None:
    async with asking(authority, change=change) as asked:
        with pytest.raises(NoteError):
            await asked.stamp(DATA)


async def test_an_error_of_the_authority_is_unavailable(authority: OpensslAuthority) -> None:
    async with asking(authority, status=500) as asked:
        with pytest.raises(Unavailable):
            await asked.stamp(DATA)


def test_roots_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    for file in (tmp_path / "ca.pem", tmp_path / "missing"):
        with pytest.raises(ConfigurationError):
            HttpTimestampAuthority(OutgoingClient("http://127.0.0.1:1", None), file)
