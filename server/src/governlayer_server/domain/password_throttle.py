"""
Which counters registration, a forgotten password and the second factor spend from: none that a sign-in spends from.

    register  20 a minute and 100 an hour per address, and 10 tries in 15 minutes per invitation: each may cost a hash
    reset     20 a minute and 100 an hour per address: a new password costs a hash
    forgot    20 a quarter of an hour per address, and 3 letters an hour per account
    codes     10 wrong ones in 15 minutes per account, by who is signed in to it
"""

from governlayer_server.domain.network import address_group
from governlayer_server.domain.sign_in_throttle import Bucket, Counts


def register_buckets(address: str, invitation: bytes | None) -> tuple[Bucket, ...]:
    """
    Return what one try to register spends from.

    Args:
        address: the client's.
        invitation: keyed fingerprint of the invitation, valid or not, if there is one. Who takes it up uses it up, so
            that all tries that count are failures.
    """
    places = _hashes("register", address)
    if invitation is None:
        return places
    name = f"register/invitation/{invitation.hex()}"
    return (*places, Bucket(name=name, limit=10, window_s=15 * 60, counts=Counts.ATTEMPTS))


def reset_buckets(address: str) -> tuple[Bucket, ...]:
    """Return what one try of a one-time token with a new password spends from."""
    return _hashes("reset", address)


def _hashes(way: str, address: str) -> tuple[Bucket, ...]:
    place = f"{way}/address/{address_group(address)}"
    return (
        Bucket(name=f"{place}/minute", limit=20, window_s=60, counts=Counts.ATTEMPTS),
        Bucket(name=f"{place}/hour", limit=100, window_s=3600, counts=Counts.ATTEMPTS),
    )


def forgot_buckets(address: str) -> tuple[Bucket, ...]:
    """Return what one request for a letter spends from, whoever it is for."""
    name = f"forgot/address/{address_group(address)}"
    return (Bucket(name=name, limit=20, window_s=15 * 60, counts=Counts.ATTEMPTS),)


def letter_buckets(account: bytes) -> tuple[Bucket, ...]:
    """Return what one letter to the account with this keyed fingerprint spends from; the asker is not told."""
    return (Bucket(name=f"forgot/account/{account.hex()}", limit=3, window_s=3600, counts=Counts.ATTEMPTS),)


def code_buckets(account: bytes) -> tuple[Bucket, ...]:
    """Return what one code of a user who is signed in spends from, from wherever."""
    return (Bucket(name=f"code/account/{account.hex()}", limit=10, window_s=15 * 60, counts=Counts.FAILURES),)
