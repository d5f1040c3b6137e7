"""A witness keeps one key and one memory, and does not sign with the one where the other is gone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from governlayer_server.adapters.embedded.errors import UnsafeDirectoryError
from governlayer_server.adapters.witness.home import open_witness
from governlayer_server.domain.errors import ConfigurationError

from tests.fakes.clock import FakeEntropy


def test_key_and_memory_are_made_once_for_their_owner_alone(tmp_path: Path, entropy: FakeEntropy) -> None:
    home = tmp_path / "witness"
    with open_witness(home, "w.example.com", entropy) as (_, signer):
        first = signer.public_key
    for name in (None, "w.example.com"):
        with open_witness(home, name, entropy) as (_, signer):
            assert (signer.name, signer.public_key) == ("w.example.com", first)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *home.iterdir())}
    assert modes == {"witness": 0o700, "witness.key": 0o600, "witness.sqlite": 0o600}


@pytest.mark.parametrize("name", [None, "", "with space", "with+plus"])
def test_a_new_witness_needs_a_name(tmp_path: Path, entropy: FakeEntropy, name: str | None) -> None:
    with pytest.raises(ConfigurationError, match="--name"), open_witness(tmp_path / "witness", name, entropy):
        pass
    assert not (tmp_path / "witness").exists()


def test_a_witness_keeps_its_name(tmp_path: Path, entropy: FakeEntropy) -> None:
    with open_witness(tmp_path, "w.example.com", entropy):
        pass
    with pytest.raises(ConfigurationError, match="never changes"), open_witness(tmp_path, "other", entropy):
        pass


def test_a_witness_without_its_memory_does_not_sign(tmp_path: Path, entropy: FakeEntropy) -> None:
    with open_witness(tmp_path, "w.example.com", entropy):
        pass
    (tmp_path / "witness.sqlite").unlink()
    with pytest.raises(ConfigurationError, match="two histories"), open_witness(tmp_path, None, entropy):
        pass
    assert not (tmp_path / "witness.sqlite").exists()


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_memory_beside_a_key_is_none(tmp_path: Path, entropy: FakeEntropy, content: bytes | None) -> None:
    with open_witness(tmp_path, "w.example.com", entropy):
        pass
    memory = tmp_path / "witness.sqlite"
    if content is None:  # a database, but without what was remembered
        with closing(sqlite3.connect(memory)) as connection:
            connection.execute("DROP TABLE witnessed")
    else:
        memory.write_bytes(content)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="restore the newest state"), open_witness(tmp_path, None, entropy):
            pass


def test_damage_is_named(tmp_path: Path, entropy: FakeEntropy) -> None:
    with open_witness(tmp_path, "w.example.com", entropy):
        pass
    key = tmp_path / "witness.key"
    text = key.read_text()
    key.write_text(text.replace("w.example", "x.example"))
    with pytest.raises(ConfigurationError, match="damaged"), open_witness(tmp_path, None, entropy):
        pass
    key.write_text(text)
    key.chmod(0o644)
    with pytest.raises(UnsafeDirectoryError), open_witness(tmp_path, None, entropy):
        pass
    key.chmod(0o600)
    (tmp_path / "witness.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigurationError, match="damaged"), open_witness(tmp_path, None, entropy):
        pass
