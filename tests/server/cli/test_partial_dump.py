"""Dumps that were cut off: what is kept of each, and what is never gone on with."""

import asyncio
import io
import os
import stat
from pathlib import Path
from typing import IO

import pytest
from governlayer_server.cli.partial_dump import Kept, kept_of, require_link, write_partly
from governlayer_server.domain.errors import ConfigurationError

from tests.fakes.appliance import FakeAppliance, action, principal_of

NAMES = ["content"]


async def _dump() -> bytes:
    appliance = FakeAppliance()
    acme = await appliance.start()
    for _ in range(4):
        await appliance.govern(principal_of(acme), action("hello"))
    return await appliance.dump(acme.id, last=5, names=NAMES)


@pytest.fixture(scope="module")
def whole() -> bytes:
    return asyncio.run(_dump())


def kept(content: bytes) -> Kept | None:
    return kept_of(io.BytesIO(content))


def test_wherever_a_dump_is_cut_the_rest_makes_it_whole_again(whole: bytes) -> None:
    lines = whole.splitlines(keepends=True)
    starts = {int(line.split(b'"seq":')[-1].split(b",")[0]): line for line in lines if line.startswith(b'{"actor":')}
    for cut in range(len(whole) - len(lines[-1])):
        found = kept(whole[:cut])
        if found is None:
            assert cut < len(lines[0])
            continue
        assert whole[found.end :].startswith(starts[found.seq])
        assert found.end <= cut or found.seq == 0
        require_link(found, starts[found.seq])
        assert (found.first, found.last, found.names) == (0, 5, ("content",))


def test_nothing_is_appended_that_does_not_follow(whole: bytes) -> None:
    lines = whole.splitlines(keepends=True)
    found = kept(whole[: whole.index(b'"seq":4,') + 300])
    assert found is not None
    assert found.seq >= 3
    record = next(line for line in lines if line.startswith(b'{"actor":') and f'"seq":{found.seq},'.encode() in line)
    require_link(found, record)
    with pytest.raises(ConfigurationError, match="not one of this ledger"):
        require_link(found, record.replace(found.prev_hash.encode(), b"0" * 64))


@pytest.mark.parametrize("what", ["removed", "swapped", "changed", "repeated"])
def test_a_dump_whose_records_do_not_follow_each_other_is_not_gone_on_with(whole: bytes, what: str) -> None:
    lines = whole.splitlines(keepends=True)[:-2]
    places = [place for place, line in enumerate(lines) if line.startswith(b'{"actor":')]
    one, other = places[2], places[3]
    if what == "removed":
        del lines[one]
    elif what == "swapped":
        lines[one], lines[other] = lines[other], lines[one]
    elif what == "changed":
        lines[one] = lines[one].replace(b'"allow"', b'"deny"')
    else:
        lines.insert(one, lines[one])
    with pytest.raises(ConfigurationError, match="does not follow"):
        kept(b"".join(lines))


@pytest.mark.parametrize("content", [b"\n", b"{}\n", b"text\n", b"\xff\n", b'{"dump":{"first":0}}\n', b"[1]\n"])
def test_what_is_no_dump_is_not_gone_on_with(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        kept(content)


def test_a_whole_dump_is_not_gone_on_with(whole: bytes) -> None:
    with pytest.raises(ConfigurationError, match="whole already"):
        kept(whole)


def test_what_was_written_before_an_interruption_stays_for_its_owner_alone(whole: bytes, tmp_path: Path) -> None:
    output, part = tmp_path / "a.gldump", tmp_path / "a.gldump.part"

    def interrupted(file: IO[bytes], found: Kept | None) -> int:
        assert found is None
        file.write(whole[:-100])
        raise KeyboardInterrupt

    def rest(file: IO[bytes], found: Kept | None) -> int:
        assert found is not None
        file.seek(found.end)
        file.truncate()
        file.write(whole[found.end :])
        return 1

    with pytest.raises(KeyboardInterrupt):
        write_partly(output, interrupted)
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert not output.exists()
    assert write_partly(output, rest) == 1
    assert output.read_bytes() == whole
    assert not part.exists()


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "else").write_text("")
    (tmp_path / "a.part").symlink_to(tmp_path / "else")
    with pytest.raises(ConfigurationError, match=r"a\.part cannot be written"):
        write_partly(tmp_path / "a", lambda file, _: file.write(b"x"))
    assert (tmp_path / "else").read_text() == ""


@pytest.mark.parametrize("what", ["others may read", "others may write", "second name", "no file", "other owner"])
def test_nothing_is_written_into_what_somebody_else_may_have_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    part = tmp_path / "a.part"
    part.touch(0o600)
    if what == "others may read":
        part.chmod(0o640)
    elif what == "others may write":
        part.chmod(0o602)
    elif what == "second name":
        (tmp_path / "else").hardlink_to(part)
    elif what == "no file":
        part.unlink()
        os.mkfifo(part, 0o600)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: part.stat().st_uid + 1)

    def write(file: IO[bytes], found: Kept | None) -> int:
        return file.write(b"disclosed")

    with pytest.raises(ConfigurationError, match=r"a\.part must be a file of this user alone"):
        write_partly(tmp_path / "a", write)
    assert part.exists()
    assert not part.stat().st_size
    assert not (tmp_path / "a").exists()
