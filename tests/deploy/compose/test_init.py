"""What the service `init` makes: once, whole, each file for who reads it, and never anew."""

import hashlib
import io
import os
import shutil
import stat
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from click.testing import CliRunner
from cryptography import x509
from governlayer_server.cli.commands import governlayer as command

from tests.deploy.compose.bundle import BUNDLE

VOLUMES = ("backups", "owner", "postgres", "redis", "secrets", "tls")


def governlayer(*arguments: object) -> None:
    """Run `governlayer …` in this process: starting one takes a second."""
    done = CliRunner().invoke(command, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output


class Place:
    """The volumes as directories; owners are noted instead of changed, which only root may."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.authority, self.to = root / "authority", root / "to"
        self.authority.mkdir()
        for volume in VOLUMES:
            (self.to / volume).mkdir(parents=True)
        self.owners = dict[int, int]()
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("SERVER_NAMES", "localhost 127.0.0.1 govern.example.com")

    def init(self) -> ModuleType:
        """Return init.py as it is at each start."""
        spec = spec_from_file_location("compose_init", BUNDLE / "files" / "init.py")
        assert spec is not None
        assert spec.loader is not None
        init = module_from_spec(spec)
        spec.loader.exec_module(init)
        tls = self.authority / "tls"
        for name, path in {
            "AUTHORITY": self.authority, "TO": self.to, "TLS": tls, "DRAFTS": self.authority / "drafts",
            "MADE": self.authority / "made", "AUTHORITY_KEY": tls / "authority" / "ca.key", "PROXY": self.to / "proxy",
        }.items():  # fmt: skip
            assert isinstance(getattr(init, name), Path)
            setattr(init, name, path)
        self._monkeypatch.setattr(init, "governlayer", governlayer)
        self._monkeypatch.setattr(init.os, "fchown", self._given)
        self._monkeypatch.setattr(init.os, "chown", lambda path, uid, gid: self._note(os.stat(path), uid, gid))  # noqa: PTH116
        return init

    def _given(self, descriptor: int, uid: int, gid: int) -> None:
        self._note(os.fstat(descriptor), uid, gid)

    def _note(self, status: os.stat_result, uid: int, gid: int) -> None:
        assert uid == gid
        self.owners[status.st_ino] = uid

    def given(self) -> dict[str, tuple[int, int]]:
        """Return owner and mode of all files in the volumes."""
        files = sorted(file for file in self.to.rglob("*") if file.is_file())
        stats = [(file, file.stat()) for file in files]
        return {
            str(file.relative_to(self.to)): (self.owners[status.st_ino], stat.S_IMODE(status.st_mode))
            for file, status in stats
        }

    def contents(self) -> dict[str, bytes]:
        return {str(file.relative_to(self.to)): file.read_bytes() for file in self.to.rglob("*") if file.is_file()}

    def type(self, text: str) -> None:
        """Give *text* on standard input."""
        stream = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
        self._monkeypatch.setattr(sys, "stdin", stream)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_each_file_is_made_once_for_who_reads_it(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.init().make()
    given = place.given()
    assert {name.split("/")[0]: owner for name, (owner, _) in given.items()} == {
        "owner": 10001, "postgres": 999, "redis": 999, "secrets": 10001, "tls": 10001,
    }  # fmt: skip
    assert {mode for _, mode in given.values()} == {0o400}
    assert len(given) == 20
    assert place.owners[(place.to / "secrets").stat().st_ino] == 10001
    first = place.contents()
    assert first["postgres/database-app-password"] == first["secrets/database-app-password"]
    assert first["postgres/database-owner-password"] == first["owner/database-owner-password"]
    password = first["secrets/redis-password"].strip()
    assert f"#{hashlib.sha256(password).hexdigest()} ".encode() in first["redis/users.acl"]
    assert password not in first["redis/users.acl"]
    assert not (place.authority / "drafts").exists()
    place.init().make()
    assert place.contents() == first
    printed = capsys.readouterr().out
    assert "kept" in printed
    assert not any(text.strip().decode() in printed for name, text in first.items() if name.startswith("secrets/"))


def test_certificates_have_the_names_by_which_they_are_reached(place: Place) -> None:
    place.init().make()
    names = {}
    for file in ("tls/server.crt", "postgres/postgresql.crt", "redis/redis.crt"):
        certificate = x509.load_pem_x509_certificate((place.to / file).read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names[file] = found.get_values_for_type(x509.DNSName)
    assert names == {
        "tls/server.crt": ["localhost", "govern.example.com"],
        "postgres/postgresql.crt": ["postgres", "localhost"],
        "redis/redis.crt": ["redis", "localhost"],
    }


@pytest.mark.parametrize("reached", [2, 7, 13, 19, 21])
def test_killed_anywhere_the_next_run_completes_it_with_the_same_secrets(place: Place, reached: int) -> None:
    init, writes = place.init(), iter(range(1, 100))
    whole = init.write

    def write(*arguments: object, **more: object) -> None:
        if next(writes) > reached:
            raise KeyboardInterrupt
        whole(*arguments, **more)

    init.write = write
    try:
        init.make()
    except KeyboardInterrupt:
        assert not (place.authority / "made").exists()
    before = place.contents()
    place.init().make()
    after = place.contents()
    assert before.items() <= after.items()
    assert len(after) == 20
    assert after["postgres/database-app-password"] == after["secrets/database-app-password"]


@pytest.mark.parametrize("missing", ["secrets/key-encryption-key", "owner/backup-passphrase", "tls/server.key"])
def test_what_is_missing_later_is_named_and_never_made_anew(place: Place, missing: str) -> None:
    place.init().make()
    (place.to / missing).unlink()
    with pytest.raises(SystemExit, match=f"{missing}: restore a backup"):
        place.init().make()
    assert missing not in place.contents()


def test_where_the_authoritys_volume_is_lost_no_key_is_written_over(place: Place) -> None:
    place.init().make()
    before = place.contents()
    shutil.rmtree(place.authority)
    place.authority.mkdir()
    place.init().make()
    assert place.contents() == before


def test_for_a_restore_the_keys_are_left_to_the_backup(place: Place) -> None:
    place.type("the passphrase of the old machine\n")
    place.init().make_for_restore()
    made = place.contents()
    assert made["owner/backup-passphrase"] == b"the passphrase of the old machine"
    assert not {f"secrets/{key}" for key in ("key-encryption-key", "pepper", "jwt-secret")} & made.keys()
    assert len(made) == 17
    place.init().make()  # PostgreSQL's start asks for it, before the restore has brought the keys
    assert place.contents() == made
    place.type("another")
    with pytest.raises(SystemExit, match="was made already"):
        place.init().make_for_restore()


def test_a_restore_without_a_passphrase_makes_nothing(place: Place) -> None:
    place.type("\n")
    with pytest.raises(SystemExit, match="passphrase"):
        place.init().make_for_restore()
    assert place.contents() == {}


def test_the_authoritys_key_is_removed_only_when_it_was_kept(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    init = place.init()
    init.make()
    capsys.readouterr()
    init.print_authority_key()
    kept = capsys.readouterr().out
    assert "PRIVATE KEY" in kept
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(SystemExit, match="private key"):
        init.print_authority_key()
    monkeypatch.undo()
    place.type(kept[:-2])
    with pytest.raises(SystemExit, match="nothing was removed"):
        init.remove_authority_key()
    assert init.AUTHORITY_KEY.exists()
    place.type(kept)
    init.remove_authority_key()
    assert not init.AUTHORITY_KEY.exists()


def test_certificates_are_renewed_with_a_key_that_comes_and_goes(place: Place) -> None:
    init = place.init()
    init.make()
    before, key = place.contents(), init.AUTHORITY_KEY.read_text()
    init.AUTHORITY_KEY.unlink()
    place.type(key)
    init.renew()
    after = place.contents()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        "tls/server.crt", "tls/server.key", "postgres/postgresql.crt", "postgres/postgresql.key", "redis/redis.crt",
        "redis/redis.key",
    }  # fmt: skip
    assert not init.AUTHORITY_KEY.exists()
    assert set(place.given().values()) == {(10001, 0o400), (999, 0o400)}
