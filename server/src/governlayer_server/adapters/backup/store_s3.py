"""
Backups in S3-compatible storage: ``ports.backups.BackupStore``.

boto3 is what the makers of S3 keep themselves. It is told everything: no credentials, endpoints or proxies of the
environment, no metadata service. HTTPS with verified certificates; plain HTTP for loopback only.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from governlayer_server.adapters.backup.names import checked_name, is_name
from governlayer_server.adapters.backup.s3_address import S3Address
from governlayer_server.domain.errors import NotFound, Unavailable
from governlayer_server.ports.backups import StoredFile

PIECE_BYTES = 8 * 1024 * 1024
"""Of an upload in pieces; S3 admits 10,000 of them, and no smaller one than 5 MiB before the last."""
_READ_BYTES = 262_144
_TIMEOUT_S = 30
_T = TypeVar("_T")


class S3Store:
    """Keeps each file as an object of a bucket."""

    def __init__(self, address: S3Address, piece_bytes: int = PIECE_BYTES) -> None:
        self._address = address
        self._piece_bytes = piece_bytes
        self._client = _client(address)

    def __str__(self) -> str:
        """Return the address, without its secrets."""
        return repr(self._address)

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator["_ObjectWriter"]:
        """Upload an object, in pieces where it is large; S3 shows it when the last one is there."""
        upload = _ObjectWriter(self._call, self._at(name), self._piece_bytes)
        try:
            yield upload
            await upload.finish()
        except BaseException:
            await upload.abort()
            raise

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """Yield the bytes of an object."""
        body = (await self._call("get_object", **self._at(name)))["Body"]
        try:
            while data := await self._guarded(partial(body.read, _READ_BYTES)):
                yield data
        finally:
            body.close()

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        """Return the objects."""
        start, where = len(self._address.prefix), self._address.prefix + prefix
        found, more = list[StoredFile](), dict[str, str]()
        while True:
            page = await self._call("list_objects_v2", Bucket=self._address.bucket, Prefix=where, **more)
            for one in page.get("Contents", ()):
                if is_name(name := one["Key"][start:]):
                    found.append(StoredFile(name=name, size=one["Size"]))
            if not page.get("IsTruncated"):
                return sorted(found, key=lambda one: one.name)
            more = {"ContinuationToken": page["NextContinuationToken"]}

    async def delete(self, name: str) -> None:
        """Remove an object."""
        await self._call("delete_object", **self._at(name))

    async def sweep(self, prefix: str) -> None:
        """Give up uploads that were begun and not ended."""
        where, more = self._address.prefix + prefix, dict[str, str]()
        while True:
            page = await self._call("list_multipart_uploads", Bucket=self._address.bucket, Prefix=where, **more)
            for one in page.get("Uploads", ()):
                await self._call(
                    "abort_multipart_upload", Bucket=self._address.bucket, Key=one["Key"], UploadId=one["UploadId"]
                )
            if not page.get("IsTruncated"):
                return
            more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._address.bucket, "Key": self._address.prefix + checked_name(name)}

    async def _call(self, operation: str, **arguments: Any) -> Any:
        return await self._guarded(partial(getattr(self._client, operation), **arguments))

    async def _guarded(self, work: Callable[[], _T]) -> _T:
        """Do *work* in a thread; what fails is named without what was sent."""
        try:
            return await asyncio.to_thread(work)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))[:64]
            if code in {"NoSuchKey", "404"}:
                raise NotFound(f"there is no such file in {self._address!r}") from None
            raise Unavailable(f"{self._address!r} refused: {code}") from None
        except (BotoCoreError, OSError) as error:
            raise Unavailable(f"{self._address!r} does not answer: {type(error).__name__}") from None


class _ObjectWriter:
    """One upload: an object at once where it is small, pieces where it is not."""

    def __init__(self, call: Callable[..., Any], at: dict[str, str], piece_bytes: int) -> None:
        self._call = call
        self._at = at
        self._piece_bytes = piece_bytes
        self._waiting = bytearray()
        self._upload: dict[str, str] | None = None
        self._pieces: list[dict[str, Any]] = []

    async def write(self, data: bytes) -> None:
        """Take *data*, and send what has come together."""
        self._waiting += data
        while len(self._waiting) >= self._piece_bytes:
            await self._send(self._piece_bytes)

    async def _send(self, size: int) -> None:
        if self._upload is None:
            begun = await self._call("create_multipart_upload", **self._at)
            self._upload = {**self._at, "UploadId": begun["UploadId"]}
        piece, number = bytes(self._waiting[:size]), len(self._pieces) + 1
        sent = await self._call("upload_part", **self._upload, PartNumber=number, Body=piece)
        self._pieces.append({"ETag": sent["ETag"], "PartNumber": number})
        del self._waiting[:size]

    async def finish(self) -> None:
        """Make the object whole."""
        if self._upload is None:
            await self._call("put_object", **self._at, Body=bytes(self._waiting))
            return
        if self._waiting:
            await self._send(len(self._waiting))
        await self._call("complete_multipart_upload", **self._upload, MultipartUpload={"Parts": self._pieces})
        self._upload = None

    async def abort(self) -> None:
        """Give up; what was sent is given back where the storage can still be told."""
        if self._upload is not None:
            with suppress(Unavailable, NotFound):
                await self._call("abort_multipart_upload", **self._upload)


def _client(address: S3Address) -> Any:
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        connect_timeout=_TIMEOUT_S,
        read_timeout=_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": 4},
        proxies={},
        ignore_configured_endpoint_urls=True,
        # The files are authenticated by themselves, and not every storage knows S3's newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=address.endpoint,
        region_name=address.region,
        aws_access_key_id=address.access_key,
        aws_secret_access_key=address.secret_key,
        verify=True if address.ca is None else str(address.ca),
        config=config,
    )
