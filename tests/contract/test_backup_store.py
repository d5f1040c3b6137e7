"""``ports.backups.BackupStore``: a directory, and S3-compatible storage by a server that speaks its API."""

import asyncio
import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from governlayer_server.adapters.backup.s3_address import S3Address
from governlayer_server.adapters.backup.store_directory import DirectoryStore
from governlayer_server.adapters.backup.store_s3 import S3Store
from governlayer_server.domain.errors import ConfigurationError, NotFound, Unavailable
from governlayer_server.ports.backups import BackupStore
from moto.server import ThreadedMotoServer
from msgspec.structs import replace

from tests.fakes.canned_http import handled, http
from tests.fakes.tls import server_pair

PIECE = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Address]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = S3Address(
        endpoint=f"http://{host}:{port}", bucket="backups", prefix="gl/", region="us-east-1",
        access_key="access-key-id", secret_key="the-secret-key",
    )  # fmt: skip
    boto3.client(
        "s3", endpoint_url=address.endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    ).create_bucket(Bucket="backups")
    yield address
    server.stop()


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BackupStore:
    if request.param == "directory":
        return DirectoryStore(tmp_path / "backups")
    return S3Store(replace(request.getfixturevalue("s3"), prefix=f"{tmp_path.name}/"), PIECE)


async def write(store: BackupStore, name: str, *pieces: bytes) -> None:
    async with store.writer(name) as to:
        for piece in pieces:
            await to.write(piece)


async def read(store: BackupStore, name: str) -> bytes:
    return b"".join([piece async for piece in store.read(name)])


@pytest.mark.parametrize("length", [0, 1, PIECE, 2 * PIECE + 17], ids=["empty", "small", "piece", "large"])
async def test_a_file_comes_back(store: BackupStore, length: int) -> None:
    data = os.urandom(length)
    await write(store, "a/b/1", data[: length // 2], data[length // 2 :])
    assert await read(store, "a/b/1") == data
    assert [(one.name, one.size) for one in await store.list("a/")] == [("a/b/1", length)]


async def test_a_file_is_replaced_whole(store: BackupStore) -> None:
    await write(store, "a/1", b"before")
    await write(store, "a/1", b"now")
    assert await read(store, "a/1") == b"now"


@pytest.mark.parametrize("length", [10, 2 * PIECE])
async def test_a_file_that_was_not_finished_is_not_there(store: BackupStore, length: int) -> None:
    await write(store, "a/1", b"before")

    async def cut_off() -> None:
        async with store.writer("a/1") as to:
            await to.write(bytes(length))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await cut_off()
    assert await read(store, "a/1") == b"before"
    assert [one.name for one in await store.list("")] == ["a/1"]


async def test_lists_are_sorted_and_by_prefix(store: BackupStore) -> None:
    for name in ("b/2", "a/2", "a/1", "ab/1"):
        await write(store, name, b".")
    assert [one.name for one in await store.list("")] == ["a/1", "a/2", "ab/1", "b/2"]
    assert [one.name for one in await store.list("a/")] == ["a/1", "a/2"]
    assert [one.name for one in await store.list("c/")] == []


async def test_what_is_gone_is_not_found(store: BackupStore) -> None:
    await write(store, "a/1", b".")
    await store.delete("a/1")
    await store.delete("a/1")
    with pytest.raises(NotFound):
        await read(store, "a/1")
    assert list(await store.list("")) == []


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../b", "a//b", ".hidden", "a/.b", "a b", "ä"])
async def test_other_names_are_refused(store: BackupStore, name: str) -> None:
    with pytest.raises(ValueError, match="named by"):
        await write(store, name, b".")


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "x" / "backups")
    os.umask(0o022)
    await write(store, "a/1", b".")
    modes = {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "x").rglob("*")}
    assert modes == {0o700, 0o600}


async def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match="file"):
        await write(DirectoryStore(tmp_path / "file"), "a/1", b".")


async def test_storage_that_refuses_or_is_away_is_named_without_secrets(s3: S3Address) -> None:
    for wrong in (replace(s3, bucket="another"), replace(s3, endpoint="http://127.0.0.1:9")):
        with pytest.raises(Unavailable) as raised:
            await write(S3Store(wrong), "a/1", b".")
        assert "the-secret-key" not in str(raised.value) + repr(wrong)


@pytest.mark.parametrize("endpoint", ["http://s3.example.com", "ftp://127.0.0.1", "https://"])
def test_what_would_cross_a_network_in_the_clear_is_refused(s3: S3Address, endpoint: str) -> None:
    with pytest.raises(ConfigurationError):
        replace(s3, endpoint=endpoint)


async def test_certificates_of_storage_are_verified(s3: S3Address, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "another").mkdir()
    pair, other = server_pair(tmp_path / "ours"), server_pair(tmp_path / "another")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    asked: list[str] = []

    async def handle(head: str, _: bytes) -> bytes:
        asked.append(head.partition(" HTTP")[0])
        return http(204)

    async with handled(handle, context) as port:
        address = replace(s3, endpoint=f"https://127.0.0.1:{port}", ca=other.ca)
        with pytest.raises(Unavailable, match="does not answer"):
            await S3Store(address).delete("a/1")
        assert asked == []
        await S3Store(replace(address, ca=pair.ca)).delete("a/1")
    assert asked == ["DELETE /backups/gl/a/1"]


async def test_what_was_killed_in_the_middle_is_swept_away(store: BackupStore, tmp_path: Path) -> None:
    await write(store, "keys/2", b"whole")
    if isinstance(store, S3Store):
        began = await store._call("create_multipart_upload", **store._at("keys/1"))
        await store._call(
            "upload_part", **store._at("keys/1"), UploadId=began["UploadId"], PartNumber=1, Body=b"wrapped"
        )
        await store.sweep("keys/")
        left = await store._call("list_multipart_uploads", Bucket="backups", Prefix=store._address.prefix + "keys/")
        assert not left.get("Uploads")
    else:
        folder = tmp_path / "backups" / "keys"
        (folder / ".1.partial").write_bytes(b"wrapped")
        (folder / ".of somebody else").write_bytes(b".")
        await store.sweep("keys/")
        assert {one.name for one in folder.iterdir()} == {"2", ".of somebody else"}
    assert await read(store, "keys/2") == b"whole"


async def test_links_lead_nowhere(tmp_path: Path) -> None:
    """Who may write to the destination has no files elsewhere removed, replaced, made or read."""
    outside, root = tmp_path / "outside", tmp_path / "backups"
    (outside / "deep").mkdir(parents=True)
    for name in ("1", "deep/1"):
        (outside / name).write_bytes(b"kept")
    store = DirectoryStore(root)
    await write(store, "b/1", b".")
    (root / "a").symlink_to(outside)
    (root / "b" / "link").symlink_to(outside / "1")
    (root / "b" / "deep").symlink_to(outside / "deep")
    (root / "b" / ".2.partial").symlink_to(outside / "made")
    for attempt in (
        store.delete("a/1"),
        store.sweep("a/"),
        write(store, "a/2", b"."),
        store.list("a/"),
        read(store, "a/1"),
    ):
        with pytest.raises(Unavailable, match="a is a link"):
            await attempt
    with pytest.raises(Unavailable):
        await read(store, "b/link")
    assert [one.name for one in await store.list("")] == ["b/1"]
    await write(store, "b/2", b".")
    await write(store, "b/link", b"mine")
    await store.delete("b/link")
    assert {one.name for one in outside.rglob("*")} == {"1", "deep"}
    assert {one.read_bytes() for one in outside.rglob("1")} == {b"kept"}


async def test_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    await write(store, "a/1", b".")
    os.mkfifo(tmp_path / "a" / "2")
    with pytest.raises(Unavailable, match="a/2 is no regular file"):
        await asyncio.wait_for(read(store, "a/2"), 5)
    assert [one.name for one in await store.list("a/")] == ["a/1"]


async def test_foreign_names_are_not_listed(store: BackupStore, tmp_path: Path) -> None:
    await write(store, "a/1", b".")
    if isinstance(store, S3Store):
        for name in ("a/b c", "a/.b", "a//b", "a/ä"):
            await store._call("put_object", Bucket="backups", Key=f"{store._address.prefix}{name}", Body=b".")
    else:
        for name in ("b c", "ä", os.fsdecode(b"\xff")):
            (tmp_path / "backups" / "a" / name).write_bytes(b".")
    assert [one.name for one in await store.list("")] == ["a/1"]
