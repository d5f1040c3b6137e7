"""
Access tokens: JSON Web Tokens of one form alone (RFC 7519, RFC 9068 ``at+jwt``, RFC 8725), signed with HS512.

Only this appliance issues and reads them, so it reads only what it writes, byte for byte: the header is looked up as
a whole among those of its own keys, and the claims must be the very text that they are written as. Whatever else a
token may carry (another algorithm, ``jku``, ``crit``, a second ``exp``, ``exp`` as text, white space) is thereby
refused before it can mean anything, and without a look anywhere but into memory.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from uuid import UUID

import jwt
import msgspec
from msgspec import Struct

from governlayer_server.domain.access import AccessClaims, Role
from governlayer_server.domain.errors import ConfigurationError, NotAuthenticated
from governlayer_server.domain.ids import uuid7
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock, Entropy

KEY_BYTES = 64
MAX_TOKEN_CHARACTERS = 2048
MAX_LIFETIME_S = 3600
_ALGORITHM = "HS512"
_TYPE = "at+jwt"
_DISTINCT_BYTES = 32  # fewer than 32 distinct ones among 64 random bytes: once in 10^20 keys


class _Payload(Struct, frozen=True, kw_only=True):
    """The claims in the order they are written in. Times are NumericDates: whole seconds since the Unix epoch."""

    iss: str
    aud: str
    sub: UUID
    org: UUID
    role: Role
    sid: UUID
    jti: UUID
    iat: int
    nbf: int
    exp: int


class AccessTokens:
    """
    ``ports.Tokens`` with the keys in memory.

    Args:
        keys: 64 random bytes each; the first one signs, all verify, so that secrets rotate with overlap.
        issuer: claim ``iss``: the deployment.
        audience: claim ``aud``: the API that the tokens are for.
        lifetime_s: how long a token is good for, 1 to 3600 seconds; one that claims longer is refused.
        clock: its ``now_us`` alone says what has expired.
        entropy: for the tokens' ids.

    Raises:
        ConfigurationError: a key is weak or of another length, two are equal, or the lifetime is out of range.
    """

    def __init__(
        self, *, keys: Sequence[bytes], issuer: str, audience: str, lifetime_s: int, clock: Clock, entropy: Entropy
    ) -> None:
        if not 0 < lifetime_s <= MAX_LIFETIME_S:
            raise ConfigurationError(f"access tokens are good for 1 to {MAX_LIFETIME_S} seconds")
        # The library's own default would only warn of a short key; there is none, but nothing here rests on a warning.
        self._jws = jwt.PyJWS(algorithms=[_ALGORITHM], options={"enforce_minimum_key_length": True})
        self.renew(keys)
        self._issuer = issuer
        self._audience = audience
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._entropy = entropy

    def __repr__(self) -> str:
        """No keys."""
        return f"AccessTokens({self._issuer!r})"

    def renew(self, keys: Sequence[bytes]) -> None:
        """
        Sign with the first of *keys* from now on, and verify with all.

        Raises:
            ConfigurationError: a key is weak or of another length, there is none, or two are equal; all is as it was.
        """
        if not keys or len(set(keys)) != len(keys):
            raise ConfigurationError("the JWT secrets must be one or more, and differ")
        for key in keys:
            check_signing_key("JWT secret", key)
        self._key_of_header = {self._sign(b"{}", key).partition(".")[0]: key for key in keys}
        self._signing_key = keys[0]

    def issue(self, *, subject: UUID, organization_id: UUID, role: Role, session_id: UUID, now_us: int) -> str:
        """Return a token of *subject* in *organization_id*, good from *now_us* for the configured lifetime."""
        issued_s = now_us // SECOND_US
        payload = _Payload(
            iss=self._issuer,
            aud=self._audience,
            sub=subject,
            org=organization_id,
            role=role,
            sid=session_id,
            jti=uuid7(now_us // 1000, self._entropy.bytes(10)),
            iat=issued_s,
            nbf=issued_s,
            exp=issued_s + self._lifetime_s,
        )
        return self._sign(msgspec.json.encode(payload), self._signing_key)

    def verify(self, token: str) -> AccessClaims:
        """
        Return what *token* says, if one of the keys signed it and it is in force now.

        The caller still has to look whether the session has been ended.

        Raises:
            NotAuthenticated: it is not; the text never says why. Nothing was looked up anywhere.
        """
        payload = self._genuine(self._opened(token))
        return AccessClaims(
            subject=payload.sub,
            organization_id=payload.org,
            role=payload.role,
            session_id=payload.sid,
            token_id=payload.jti,
            issued_s=payload.iat,
            expires_s=payload.exp,
        )

    def _opened(self, token: str) -> bytes:
        """Return the payload of a token that one of the keys signed (RFC 7515 §5.2)."""
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise NotAuthenticated
        header, *parts = token.split(".")
        key = self._key_of_header.get(header)
        if key is None or len(parts) != 2 or not all(_is_canonical(part) for part in parts):
            raise NotAuthenticated
        try:
            payload: bytes = self._jws.decode(token, key, algorithms=[_ALGORITHM])
        except jwt.PyJWTError:
            raise NotAuthenticated from None
        return payload

    def _genuine(self, text: bytes) -> _Payload:
        """Return the claims in *text* if they are ours and in force (RFC 7519 §4.1)."""
        try:
            payload = msgspec.json.decode(text, type=_Payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise NotAuthenticated from None
        now_us = self._clock.now_us()
        genuine = (
            msgspec.json.encode(payload) == text
            and payload.iss == self._issuer
            and payload.aud == self._audience
            and payload.iat * SECOND_US <= now_us
            and payload.nbf * SECOND_US <= now_us < payload.exp * SECOND_US
            and payload.exp - payload.iat <= self._lifetime_s
        )
        if not genuine:
            raise NotAuthenticated
        return payload

    def _sign(self, payload: bytes, key: bytes) -> str:
        return self._jws.encode(payload, key, _ALGORITHM, headers={"kid": key_id(key), "typ": _TYPE})


def key_id(key: bytes) -> str:
    """Return the ``kid`` of *key*: 16 hexadecimal digits, from which nobody learns anything of it."""
    return hmac.digest(key, b"governlayer/kid", "sha256").hex()[:16]


def check_signing_key(name: str, key: bytes) -> None:
    """
    Return if *key* is fit for HS512: 64 bytes (RFC 7518 §3.2), neither text nor a pattern.

    Raises:
        ConfigurationError: it is not. *key* is not repeated.
    """
    periodic = (key * 2).find(key, 1) < len(key)
    if len(key) != KEY_BYTES or len(set(key)) < _DISTINCT_BYTES or periodic:
        raise ConfigurationError(f"the {name} must be {KEY_BYTES} random bytes in base64")


def _is_canonical(segment: str) -> bool:
    """Return whether *segment* is base64url as RFC 7515 §2 writes it: no padding, no white space, no spare bits."""
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (ValueError, binascii.Error):
        return False
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == segment
