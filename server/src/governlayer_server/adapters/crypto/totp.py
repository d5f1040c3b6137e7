"""One-time codes of authenticator apps (RFC 6238): HMAC-SHA-1, six digits, steps of 30 seconds."""

import base64
import hmac
import re

import pyotp

from governlayer_server.ports import Entropy

SECRET_BYTES = 20
STEP_US = 30_000_000
WINDOW_STEPS = 1
_ISSUER = "GovernLayer"
_CODE = re.compile(r"[0-9]{6}")


class Totp:
    """``ports.OneTimeCodes``. Holds no secrets: they are given with each call."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def new_secret(self) -> str:
        """Return a secret of 160 random bits (RFC 4226 §4) in base32, as authenticator apps take it."""
        return base64.b32encode(self._entropy.bytes(SECRET_BYTES)).decode()

    def provisioning_uri(self, secret: str, account: str) -> str:
        """Return the ``otpauth://`` URI of *secret*, to be shown once as a QR code; *account* is its label."""
        return pyotp.TOTP(secret, name=account, issuer=_ISSUER).provisioning_uri()

    def matching_step(self, secret: str, code: str, now_us: int, after_step: int) -> int | None:
        """
        Return the step whose code *code* is, or None. Store it: a code is good once (RFC 6238 §5.2).

        Args:
            secret: base32, as ``new_secret`` returns it.
            code: as it was typed: exactly six ASCII digits, or it does not match.
            now_us: microseconds since the Unix epoch; the steps before and after this one are looked at too.
            after_step: the step that matched last, -1 if none did; it and all before it do not match again.

        Raises:
            ValueError: *secret* is not base32 or holds less than 112 bits. Nothing was compared.
        """
        totp, now = pyotp.TOTP(secret), now_us // STEP_US
        if not _CODE.fullmatch(code):
            return None
        steps = range(max(0, now - WINDOW_STEPS), now + WINDOW_STEPS + 1)
        # All are compared, whichever matches. The last one counts: a code that two steps share is spent for both.
        matching = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)]
        return max((step for step in matching if step > after_step), default=None)
