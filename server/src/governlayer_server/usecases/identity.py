"""All use cases of people who sign in, built over the ports that they need."""

from typing import Any

from msgspec import Struct

from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.ports import Clock, CommonPasswords, Entropy, OneTimeCodes, PasswordHasher, Tokens, Vault
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.sign_in import Later, Mailer, SignInAttempts
from governlayer_server.usecases.change_password import ChangePassword, StepUp
from governlayer_server.usecases.check_credentials import CheckCredentials
from governlayer_server.usecases.count_sign_in_failures import CountSignInFailures
from governlayer_server.usecases.manage_sessions import ManageSessions
from governlayer_server.usecases.new_password import NewPassword
from governlayer_server.usecases.one_time_tokens import OneTimeTokens
from governlayer_server.usecases.operate_users import OperateUsers
from governlayer_server.usecases.refresh_session import RefreshSession
from governlayer_server.usecases.reset_password import ForgotPassword, ResetPassword
from governlayer_server.usecases.second_factor import SecondFactor
from governlayer_server.usecases.session_tokens import SessionTokens
from governlayer_server.usecases.set_up_totp import SetUpTotp
from governlayer_server.usecases.sign_in import SignIn
from governlayer_server.usecases.throttle import Throttle
from governlayer_server.usecases.user_event import UserEvents


class Credentials(Struct, frozen=True, kw_only=True):
    """What knows passwords, codes and tokens. ``lifetime_s`` is how long an access token is good for."""

    passwords: PasswordHasher
    common: CommonPasswords
    codes: OneTimeCodes
    tokens: Tokens
    lifetime_s: int
    limits: SessionLimits


class Letters(Struct, frozen=True, kw_only=True):
    """How letters leave: through no mailer, none. *public_url* is where people reach the appliance."""

    mailer: Mailer | None
    public_url: str
    later: Later


class Identity(Struct, frozen=True, kw_only=True):
    """The use cases."""

    sign_in: SignIn
    refresh: RefreshSession
    sessions: ManageSessions
    change_password: ChangePassword
    step_up: StepUp
    totp: SetUpTotp
    forgot: ForgotPassword
    reset: ResetPassword
    failures: CountSignInFailures


def operate_users(accounts: AccountStore, vault: Vault, clock: Clock, entropy: Entropy) -> OperateUsers:
    """Return the operator's acts."""
    return OperateUsers(
        accounts=accounts,
        vault=vault,
        one_time_tokens=OneTimeTokens(vault=vault, clock=clock, entropy=entropy),
        events=UserEvents(clock=clock, entropy=entropy),
        clock=clock,
    )


def make_identity(
    accounts: AccountStore,
    vault: Vault,
    clock: Clock,
    entropy: Entropy,
    attempts: SignInAttempts,
    credentials: Credentials,
    letters: Letters,
) -> Identity:
    """Return the use cases over these ports."""
    limits, passwords = credentials.limits, credentials.passwords
    failures = CountSignInFailures(accounts, clock, entropy)
    throttle = Throttle(attempts=attempts, clock=clock, entropy=entropy)
    second_factor = SecondFactor(vault=vault, codes=credentials.codes, clock=clock)
    new_password = NewPassword(vault=vault, common=credentials.common)
    one_time_tokens = OneTimeTokens(vault=vault, clock=clock, entropy=entropy)
    session_tokens = SessionTokens(vault=vault, tokens=credentials.tokens, lifetime_s=credentials.lifetime_s)
    common: dict[str, Any] = {"accounts": accounts, "events": UserEvents(clock=clock, entropy=entropy)}
    check = CheckCredentials(
        accounts=accounts, vault=vault, passwords=passwords, second_factor=second_factor, throttle=throttle,
        failures=failures, clock=clock,
    )  # fmt: skip
    return Identity(
        sign_in=SignIn(
            vault=vault, passwords=passwords, check=check, session_tokens=session_tokens, clock=clock, entropy=entropy,
            **common,
        ),
        refresh=RefreshSession(vault=vault, session_tokens=session_tokens, clock=clock, limits=limits, **common),
        sessions=ManageSessions(vault=vault, clock=clock, limits=limits, **common),
        change_password=ChangePassword(
            vault=vault, passwords=passwords, new_password=new_password, check=check, clock=clock, limits=limits,
            **common,
        ),
        step_up=StepUp(check=check, session_tokens=session_tokens, clock=clock, limits=limits, **common),
        totp=SetUpTotp(
            vault=vault, codes=credentials.codes, second_factor=second_factor, throttle=throttle, clock=clock,
            entropy=entropy, **common,
        ),
        forgot=ForgotPassword(
            vault=vault, one_time_tokens=one_time_tokens, throttle=throttle, mailer=letters.mailer,
            public_url=letters.public_url, later=letters.later, **common,
        ),
        reset=ResetPassword(
            vault=vault, passwords=passwords, new_password=new_password, one_time_tokens=one_time_tokens,
            throttle=throttle, clock=clock, **common,
        ),
        failures=failures,
    )  # fmt: skip
