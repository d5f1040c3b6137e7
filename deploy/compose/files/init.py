"""
Make what an installation needs before its first start, and give each file to the user that reads it.

Runs in the image of GovernLayer as root with CAP_CHOWN alone and without a network (service `init` of compose.yaml):

    make                   authority, certificates, keys, passwords; nothing that is there is ever written over
    make-for-restore       the same without the keys, which the backup brings; its passphrase comes on standard input
    renew                  new certificates for SERVER_NAMES, PostgreSQL and Redis; where the authority's key was taken
                           away, it comes on standard input
    authority-key          print the authority's private key, to keep it elsewhere
    remove-authority-key   remove it here, if standard input has the same key: the proof that it was kept
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

SERVER, DATABASE = 10001, 999
AUTHORITY, TO = Path("/authority"), Path("/to")
TLS, DRAFTS, MADE = AUTHORITY / "tls", AUTHORITY / "drafts", AUTHORITY / "made"
AUTHORITY_KEY = TLS / "authority" / "ca.key"
KEYS = ("key-encryption-key", "pepper", "jwt-secret")
# The certificate of the authority is no secret; what else asks servers gets it too, where compose.*.yaml names it.
PROXY = TO / "proxy"
CERTIFICATES = {
    "tls": (SERVER, ("ca.crt", "server.crt", "server.key")),
    "postgres": (DATABASE, ("postgresql.crt", "postgresql.key")),
    "redis": (DATABASE, ("ca.crt", "redis.crt", "redis.key")),
}
SECRETS = {
    "secrets": (SERVER, (*KEYS, "database-app-password", "redis-password", "metrics-token")),
    "owner": (SERVER, ("database-owner-password", "backup-passphrase")),
    "postgres": (DATABASE, ("database-superuser-password", "database-owner-password", "database-app-password")),
    "redis": (DATABASE, ("users.acl",)),
}
# What the embedded Redis of `governlayer up` admits too: @dangerous holds CONFIG, FLUSHALL, DEBUG, KEYS and the like.
ACL = """\
user default reset off
user governlayer reset on #{password_hash} ~* &* -@all +@read +@write +@transaction +@connection +@pubsub +eval \
+evalsha +script|load +script|exists +time -@dangerous -@admin +client|setinfo +client|setname
"""


def make() -> None:
    """Make all that is missing."""
    if MADE.exists():
        keep()
        show_authority()
        return
    certify()
    governlayer("secrets", "init", "--directory", DRAFTS)
    hand_out(KEYS)
    finish("new")


def make_for_restore() -> None:
    """Make all but the keys; the passphrase is that of the backup."""
    if MADE.exists():
        sys.exit("init: this installation was made already: a restore needs a new one (./uninstall.sh --delete-data)")
    certify()
    passphrase = sys.stdin.read().strip()
    if not passphrase:
        sys.exit("init: the passphrase of the backup must come on standard input")
    governlayer("secrets", "init", "--directory", DRAFTS)
    draft = DRAFTS / "backup-passphrase"
    draft.unlink()
    write(draft, passphrase.encode(), 0)
    hand_out(())
    finish("restore")


def renew() -> None:
    """Replace the certificates and their keys."""
    brought = not AUTHORITY_KEY.exists()
    if brought:
        write(AUTHORITY_KEY, sys.stdin.buffer.read(), 0)
    try:
        governlayer("tls", "issue", "server", "--directory", TLS, "--force", *names())
        governlayer("tls", "renew", "--directory", TLS, "postgresql", "redis")
    finally:
        if brought:
            AUTHORITY_KEY.unlink()
    for volume, (owner, files) in CERTIFICATES.items():
        for name in files:
            write(TO / volume / name, (TLS / name).read_bytes(), owner)


def print_authority_key() -> None:
    """Print it, to a file or a pipe only."""
    if sys.stdout.isatty():
        sys.exit("init: this prints a private key: send it to a file (docker compose run --rm -T init authority-key)")
    sys.stdout.write(AUTHORITY_KEY.read_text("ascii"))


def remove_authority_key() -> None:
    """Remove it, if somebody has it."""
    if sys.stdin.read() != AUTHORITY_KEY.read_text("ascii"):
        sys.exit("init: standard input is not the authority's key: nothing was removed")
    AUTHORITY_KEY.unlink()
    print("init: removed; `renew` takes it on standard input")


def certify() -> None:
    """Make the authority and the three certificates."""
    if not AUTHORITY_KEY.exists():
        shutil.rmtree(TLS, ignore_errors=True)
        governlayer("tls", "init", "--directory", TLS, *names())
    for name, host in (("postgresql", "postgres"), ("redis", "redis")):
        if not (TLS / f"{name}.crt").exists():
            governlayer("tls", "issue", name, "--directory", TLS, "--name", host, "--name", "localhost", "--force")


def hand_out(keys: Sequence[str]) -> None:
    """Give the files to who reads them; of the keys only those named."""
    password = (DRAFTS / "redis-password").read_bytes().strip()
    write(DRAFTS / "users.acl", ACL.format(password_hash=hashlib.sha256(password).hexdigest()).encode(), 0)
    for source, volumes in ((TLS, CERTIFICATES), (DRAFTS, SECRETS)):
        for volume, owner, name in each(volumes):
            file = TO / volume / name
            if (name not in KEYS or name in keys) and not file.exists():
                write(file, (source / name).read_bytes(), owner)


def show_authority() -> None:
    """Give the authority's certificate to the proxy, where there is one."""
    if PROXY.is_dir():
        write(PROXY / "ca.crt", (TLS / "ca.crt").read_bytes(), 0, mode=0o444)


def finish(how: str) -> None:
    """Let the server's user in where it writes, and note that all is made."""
    show_authority()
    for directory in (TO / "secrets", TO / "backups"):
        os.chown(directory, SERVER, SERVER)
    write(MADE, how.encode(), 0)
    shutil.rmtree(DRAFTS)
    print("init: made")


def keep() -> None:
    """Say that all is there; what is missing is never made anew, since nothing would open any more."""
    shutil.rmtree(DRAFTS, ignore_errors=True)
    restored = MADE.read_text("ascii") == "restore"
    missing = [
        f"{volume}/{name}"
        for volumes in (CERTIFICATES, SECRETS)
        for volume, _, name in each(volumes)
        if not (TO / volume / name).exists() and not (restored and name in KEYS)
    ]
    if missing:
        sys.exit(f"init: missing, and not made anew: {', '.join(missing)}: restore a backup (./restore.sh --help)")
    print("init: kept what is there")


def each(volumes: Mapping[str, tuple[int, Sequence[str]]]) -> list[tuple[str, int, str]]:
    """Return volume, owner and name of each file."""
    return [(volume, owner, name) for volume, (owner, files) in volumes.items() for name in files]


def write(file: Path, content: bytes, owner: int, mode: int = 0o400) -> None:
    """Write *file* for *owner* alone, whole or not at all."""
    partial = file.with_name(f".{file.name}.new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)
        os.fchmod(descriptor, mode)
        os.fchown(descriptor, owner, owner)
    partial.replace(file)


def names() -> list[str]:
    """Return the options for the names in SERVER_NAMES; the container's own health check needs none."""
    return [part for name in os.environ["SERVER_NAMES"].split() for part in ("--name", name)]


def governlayer(*arguments: str | Path) -> None:
    """Run `governlayer …`; what it prints is for the other ways to install."""
    done = subprocess.run(["governlayer", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"init: governlayer {arguments[0]} {arguments[1]} failed: {done.stderr.strip()}")


ACTIONS: Mapping[str, Callable[[], None]] = {
    "make": make,
    "make-for-restore": make_for_restore,
    "renew": renew,
    "authority-key": print_authority_key,
    "remove-authority-key": remove_authority_key,
}

if __name__ == "__main__":
    ACTIONS[sys.argv[1]]()
