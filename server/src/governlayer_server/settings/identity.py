"""How people sign in, and how letters to them leave."""

from collections.abc import Sequence

from msgspec import Struct

from governlayer_server.adapters.crypto.access_tokens import check_signing_key
from governlayer_server.adapters.crypto.passwords import COST, MAX_COST
from governlayer_server.adapters.mail.smtp import SmtpAddress, is_mail_address, smtp_address
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.registration import Registration
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.domain.times import HOUR_US, MINUTE_US
from governlayer_server.settings.reading import PREFIX, Environment, decode_secret, one_of, secret, text, whole


class IdentitySettings(Struct, frozen=True, kw_only=True):
    """How people sign in. The first JWT secret signs, all verify: they rotate with overlap."""

    jwt_secrets: tuple[bytes, ...]
    access_token_s: int = 15 * 60
    sessions: SessionLimits = SessionLimits()
    registration: Registration = Registration.INVITE
    bcrypt_cost: int = COST

    def __post_init__(self) -> None:
        """Refuse secrets that are weak, or the same twice."""
        for one in self.jwt_secrets:
            check_signing_key("JWT secret", one)
        if len(set(self.jwt_secrets)) != len(self.jwt_secrets) or not self.jwt_secrets:
            raise ConfigurationError("the JWT secret and the previous one must differ")

    def __repr__(self) -> str:
        """No secrets."""
        return f"IdentitySettings(registration={self.registration!r})"


class MailSettings(Struct, frozen=True, kw_only=True):
    """How letters leave. The server's password is not in ``repr``."""

    server: SmtpAddress
    sender: str


def identity_from(environment: Environment, jwt_secrets: Sequence[str]) -> IdentitySettings:
    """
    Return how people sign in.

    Args:
        environment: for all that is no secret.
        jwt_secrets: base64 of 64 bytes each, the one that signs first.

    Raises:
        ConfigurationError: a secret is weak, or a setting out of range.
    """
    idle_minutes = whole(environment, "SESSION_IDLE_MINUTES", 480, range(5, 10_081))
    absolute_hours = whole(environment, "SESSION_HOURS", 168, range(1, 2_161))
    return IdentitySettings(
        jwt_secrets=tuple(decode_secret(PREFIX + "JWT_SECRET", one) for one in jwt_secrets),
        access_token_s=60 * whole(environment, "ACCESS_TOKEN_MINUTES", 15, range(1, 61)),
        sessions=SessionLimits(idle_us=idle_minutes * MINUTE_US, absolute_us=absolute_hours * HOUR_US),
        registration=one_of(environment, "REGISTRATION", Registration.INVITE),
        bcrypt_cost=whole(environment, "BCRYPT_COST", COST, range(COST, MAX_COST + 1)),
    )


def mail_from(environment: Environment, public_url: str | None) -> MailSettings | None:
    """
    Return how letters leave, or None where nothing is said of it: then none do.

    Raises:
        ConfigurationError: only some of it is said, there is no public URL for their links, or it is malformed.
    """
    url, sender = text(environment, "SMTP_URL"), text(environment, "MAIL_FROM")
    password = secret(environment, "SMTP_PASSWORD")
    if url is None and sender is None and password is None:
        return None
    if url is None or sender is None or public_url is None:
        raise ConfigurationError(f"letters need {PREFIX}SMTP_URL, {PREFIX}MAIL_FROM and {PREFIX}PUBLIC_URL")
    if not is_mail_address(sender):
        raise ConfigurationError(f"{PREFIX}MAIL_FROM must be an e-mail address")
    server = smtp_address(url, password, text(environment, "SMTP_CA_FILE"))
    return MailSettings(server=server, sender=sender)
