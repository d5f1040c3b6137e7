"""What is asked of a file before a secret is read from it."""

import os
from pathlib import Path

import pytest
from governlayer_server.adapters.key_providers.file import (
    CIPHERTEXT,
    CREDENTIAL,
    OWN,
    PROJECTED,
    Custody,
    file_texts,
    read_line,
)
from governlayer_server.domain.errors import ConfigurationError

ALL = {"own": OWN, "credential": CREDENTIAL, "projected": PROJECTED, "ciphertext": CIPHERTEXT}
STRANGER = 12_345


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "kek"
    file.write_text("CANARY\n", encoding="utf-8")
    file.chmod(0o400)
    return file


def refusal(file: Path, custody: Custody) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read_line(file, custody)
    assert "CANARY" not in str(refused.value)
    assert str(file) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "admitted"),
    [
        ("own", {0o400, 0o600}),
        ("credential", {0o400, 0o600, 0o440, 0o640}),
        ("projected", {0o400, 0o600, 0o440, 0o640}),
        ("ciphertext", {0o400, 0o600, 0o440, 0o640, 0o444, 0o644, 0o404}),
    ],
)
def test_only_these_modes_are_admitted(file: Path, name: str, admitted: set[int]) -> None:
    for mode in (0o400, 0o600, 0o440, 0o640, 0o444, 0o644, 0o660, 0o404, 0o602, 0o620, 0o606, 0o666, 0o777):
        file.chmod(mode)
        if mode in admitted:
            assert read_line(file, ALL[name]) == "CANARY", oct(mode)
        else:
            assert "must be a regular file" in refusal(file, ALL[name]), oct(mode)


@pytest.mark.parametrize("name", ALL)
def test_a_file_of_another_user_is_refused(file: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = file.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    if owner == 0 and ALL[name].root:
        assert read_line(file, ALL[name]) == "CANARY"
        os.chown(file, STRANGER + 1, -1)
    refusal(file, ALL[name])


@pytest.mark.parametrize("name", ALL)
def test_links_are_followed_only_where_something_exchanges_them(file: Path, name: str) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    if ALL[name].links:
        assert read_line(link, ALL[name]) == "CANARY"
    else:
        assert "link" in refusal(link, OWN)
        refusal(link, ALL[name])


@pytest.mark.parametrize("name", ALL)
def test_what_is_no_regular_file_is_refused_and_not_waited_for(file: Path, name: str) -> None:
    pipe = file.with_name("pipe")
    os.mkfifo(pipe, 0o400)
    refusal(pipe, ALL[name])
    refusal(file.parent, ALL[name])
    refusal(file / "below", ALL[name])


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", b"a b", b"a\nb", b"\xff\xfe", b"a\x00", b"a\x7f", b"x" * 4097, b"a" + b" " * 4096]
)
def test_a_file_holds_one_line_and_nothing_else(file: Path, content: bytes) -> None:
    file.chmod(0o600)
    file.write_bytes(content)
    assert "one line" in refusal(file, OWN)


def test_no_file_is_none_and_a_current_key_must_be_there(file: Path) -> None:
    missing = file.with_name("missing")
    assert read_line(missing, OWN) is None
    assert [one.text for one in file_texts(file, missing, OWN)()] == ["CANARY"]
    assert "CANARY" not in repr(file_texts(file, None, OWN)())
    with pytest.raises(ConfigurationError, match="missing"):
        file_texts(missing, file, OWN)()
