"""
Which counters a sign-in spends from, so that passwords cannot be guessed and nobody is locked out for good.

    address               20 attempts a minute and 100 an hour, whatever the account
    account and address   5 failures in 15 minutes
    account               20 failures in 15 minutes over all addresses that the account has not signed in from lately

Why nobody can be locked out for good. There is no state that ends a sign-in for ever: every counter empties by itself
within its window, at most an hour, and no number of failures makes it last longer. Who guesses at somebody's account
from a thousand addresses empties the account's own counter, but that one is never asked of a *familiar* address, one
from which the account signed in within 30 days: there the owner spends only from counters that strangers at other
addresses cannot touch. Who shares the owner's address can hold it up, 15 minutes at a time, and only while they go on;
the owner can sign in from any other place that is familiar, and the way of a forgotten password spends from none of
these. An attacker gets at most 20 guesses in 15 minutes at one account from addresses of his own, and 5 more from each
address that he shares with the owner.

An account that does not exist is counted in the same way, so that the limits do not tell which accounts exist. IPv6
counts by /64: that is what one customer of a provider gets at least.
"""

from enum import StrEnum

from msgspec import Struct

from governlayer_server.domain.network import address_group

FAMILIAR_S = 30 * 24 * 3600
_QUARTER_HOUR_S = 15 * 60


class Counts(StrEnum):
    """What a bucket counts. Spend before the password is checked; give back a failure's share after a success."""

    ATTEMPTS = "attempts"
    FAILURES = "failures"


class Bucket(Struct, frozen=True, kw_only=True):
    """At most *limit* in any *window_s* seconds, counted under *name*, which holds no e-mail address."""

    name: str
    limit: int
    window_s: int
    counts: Counts


def sign_in_buckets(account: bytes, address: str, *, familiar: bool) -> tuple[Bucket, ...]:
    """
    Return the buckets that one sign-in attempt has to spend from; one that is empty refuses the attempt.

    Args:
        account: keyed fingerprint of the e-mail address as typed, whether or not it is an account's.
        address: the client's, from the socket or a trusted proxy.
        familiar: whether ``familiar_place`` of the two was remembered within ``FAMILIAR_S``.
    """
    place = address_group(address)
    buckets = (
        Bucket(name=f"sign-in/address/{place}/minute", limit=20, window_s=60, counts=Counts.ATTEMPTS),
        Bucket(name=f"sign-in/address/{place}/hour", limit=100, window_s=3600, counts=Counts.ATTEMPTS),
        Bucket(
            name=f"sign-in/{familiar_place(account, address)}",
            limit=5,
            window_s=_QUARTER_HOUR_S,
            counts=Counts.FAILURES,
        ),
    )
    if familiar:
        return buckets
    strangers = f"sign-in/account/{account.hex()}/unfamiliar"
    return (*buckets, Bucket(name=strangers, limit=20, window_s=_QUARTER_HOUR_S, counts=Counts.FAILURES))


def familiar_place(account: bytes, address: str) -> str:
    """Return the name under which a successful sign-in of *account* from *address* is remembered."""
    return f"account/{account.hex()}/address/{address_group(address)}"
