"""
Which OS user the embedded servers run as: PostgreSQL refuses to run as root.

A normal user runs them as itself. For root they run as an unprivileged user of the system, or, where no such
user can reach the programs or the data, in a user namespace where root looks like ``nobody``
(user_namespaces(7)).
"""

import ctypes
import os
import pwd
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from governlayer_server.adapters.embedded.errors import StartError

_USERS = ("governlayer", "postgres", "nobody")
_NOBODY = 65_534
_CLONE_NEWUSER = 0x1000_0000
_PROBE_S = 10.0
# Loaded before any fork: the child must not load libraries between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Account:
    """
    An OS user to run a server as.

    Attributes:
        uid: the kernel's user id, which owns what the server writes.
        gid: the group id that goes with it.
        namespaced: whether the server is put in a user namespace where *uid* looks like ``nobody``.
    """

    uid: int
    gid: int
    namespaced: bool = False

    @property
    def is_other(self) -> bool:
        """Whether this is another user than the one that this process runs as."""
        return self.uid != os.geteuid()


def choose_account(program: Path, data: Path, reach: Path) -> Account:
    """
    Return the account that can run *program* on the data directory of the server *data*.

    The first start decides; later ones keep to the owner of *data*.

    Args:
        program: the program; it is run once with ``--version`` to see that the account may.
        data: the server's data; need not exist yet.
        reach: a directory that the account must be able to get to.

    Raises:
        StartError: we are root and no account works. Nothing was changed.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    owner = data.stat().st_uid if data.exists() else None
    for account in _candidates(owner):
        if _works(account, program, reach):
            return account
    wanted = "a user of this system" if owner is None else f"its owner, user {owner},"
    raise StartError(
        f"PostgreSQL does not run as root, and {wanted} cannot use {program} and {reach}: run as a "
        "normal user, or create the user governlayer (useradd --system governlayer) and install where it may read"
    )


def entering(account: Account) -> Callable[[], None]:
    """
    Return what a forked child must call, after it took the ids of *account*, to finish becoming *account*.

    The callable raises OSError where the kernel does not allow user namespaces.
    """
    uid, gid = os.geteuid(), os.getegid()

    def enter() -> None:
        if not account.namespaced:
            return
        if _libc.unshare(_CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "cannot make a user namespace")
        for name, text in (
            ("uid_map", f"{_NOBODY} {uid} 1"),
            ("setgroups", "deny"),
            ("gid_map", f"{_NOBODY} {gid} 1"),
        ):
            descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
            os.write(descriptor, text.encode())
            os.close(descriptor)

    return enter


def _candidates(owner: int | None) -> Iterator[Account]:
    for user in pwd.getpwall():
        if user.pw_uid == owner and owner != 0:
            yield Account(user.pw_uid, user.pw_gid)
            return
    if owner is None:
        known = {user.pw_name: user for user in pwd.getpwall()}
        yield from (Account(known[name].pw_uid, known[name].pw_gid) for name in _USERS if name in known)
    if not owner:
        yield Account(0, 0, namespaced=True)


def _works(account: Account, program: Path, reach: Path) -> bool:
    enter = entering(account)

    def become() -> None:
        enter()
        os.chdir(reach)

    other = account.is_other
    try:
        done = subprocess.run(  # noqa: S603  # nosec B603  # a program of our own wheel, fixed arguments
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=_PROBE_S,
            preexec_fn=become,
            user=account.uid if other else None,
            group=account.gid if other else None,
            extra_groups=[] if other else None,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
