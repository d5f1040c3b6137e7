"""Manage users: invite, change, disable and remove members of an organization, each act on its ledger."""

from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.access import Principal, Role
from governlayer_server.domain.account import Purpose, User, UserStatus
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.membership import Act, Deed, check
from governlayer_server.domain.record_type import RecordType
from governlayer_server.domain.times import DAY_US
from governlayer_server.ports import Clock, Entropy, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.answer_once import AnswerOnce, Keep, Kept, Once
from governlayer_server.usecases.email_addresses import email_faults, email_index, require_free, seal_email
from governlayer_server.usecases.members import Member, find_target, lock_and_find_actor, other_owners, shown
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.one_time_tokens import NewToken, OneTimeTokens
from governlayer_server.usecases.record_event import event
from governlayer_server.usecases.seal_rows import sealed

INVITATION_US = 7 * DAY_US


class Invited(Struct, frozen=True, kw_only=True):
    """A member who has not joined yet, and the token that is shown this once."""

    member: Member
    token: str
    replayed: bool = False

    def __repr__(self) -> str:
        """No secret."""
        return f"Invited({self.member.id})"


class ManageUsers(Struct, frozen=True, kw_only=True):
    """Acts of a signed-in user on members of their organization. The rules are those of ``domain.membership``."""

    accounts: AccountStore
    once: AnswerOnce
    vault: Vault
    one_time: OneTimeTokens
    clock: Clock
    entropy: Entropy

    async def invite(self, principal: Principal, email: str, role: Role, once: Once | None = None) -> Invited:
        """
        Return a new member who has 7 days to join.

        Args:
            principal: who invites.
            email: at most 254 characters; stored encrypted.
            role: what the member will be.
            once: the caller's idempotency key, with the body.

        Raises:
            InvalidRequest: the address is none, or belongs to a user already.
            Forbidden: the principal may not give this role.
            IdempotencyKeyReused, IdempotencyInProgress: see ``AnswerOnce``. Nothing was stored.
        """
        if faults := email_faults(email, "/email"):
            raise InvalidRequest(f"email: {faults[0].detail}", faults)

        async def work(keep: Keep) -> bytes:
            return msgspec.json.encode(await self._invite(principal, email, role, keep))

        kept = await self.once(principal.actor, principal.organization_id, "POST /v1/users", once, work)
        return await self._invited(principal, kept)

    async def _invite(self, principal: Principal, email: str, role: Role, keep: Keep) -> Invited:
        user_id = new_id(self.clock, self.entropy)
        organization_id = principal.organization_id
        user = User(
            id=user_id,
            organization_id=organization_id,
            role=role,
            email_sealed=await seal_email(self.vault, organization_id, user_id, email),
            email_index=email_index(self.vault, email),
            password_hash=None,
            created_us=self.clock.now_us(),
        )
        user = sealed(self.vault, user)
        token = self._new_token(user)
        made = Invited(member=await shown(self.vault, user), token=token.text)
        created = self._event(principal, "user.created", {"role": role.value, "user_id": str(user_id)})
        record = await keep(created, msgspec.json.encode(made))
        await require_free(self.accounts, self.vault, email, "/email")
        async with self.accounts.tenant(organization_id) as tenant:
            actor = await lock_and_find_actor(tenant, self.vault, principal)
            check(Deed(act=Act.INVITE, actor=actor, role=role))
            await tenant.users.add(user)
            await tenant.tokens.add(token.stored)
            await tenant.record(record)
        return made

    async def invite_again(self, principal: Principal, user_id: UUID, once: Once | None = None) -> Invited:
        """
        Return the invited member with a new token; those before it are good for nothing any more.

        Raises:
            NotFound: there is no such user.
            InvalidRequest: the user has joined, or is disabled.
            Forbidden: the principal may not give the user's role.
            IdempotencyKeyReused, IdempotencyInProgress: see ``AnswerOnce``. Nothing was changed.
        """

        async def work(keep: Keep) -> bytes:
            return msgspec.json.encode(await self._invite_again(principal, user_id, keep))

        operation = f"POST /v1/users/{user_id}/invitation"
        kept = await self.once(principal.actor, principal.organization_id, operation, once, work)
        return await self._invited(principal, kept)

    async def _invite_again(self, principal: Principal, user_id: UUID, keep: Keep) -> Invited:
        async with self.accounts.tenant(principal.organization_id) as tenant:
            actor = await lock_and_find_actor(tenant, self.vault, principal)
            user = await find_target(tenant, self.vault, user_id)
            check(Deed(act=Act.INVITE, actor=actor, target=user, role=user.role))
            if user.status is not UserStatus.INVITED:
                raise InvalidRequest("only an invited user can be invited again", [Fault("", f"is {user.status}")])
            await tenant.tokens.drop(user.id)
            token = self._new_token(user)
            await tenant.tokens.add(token.stored)
            made = Invited(member=await shown(self.vault, user), token=token.text)
            await tenant.record(await keep(self._changed(principal, user, "invited_again"), msgspec.json.encode(made)))
        return made

    async def _invited(self, principal: Principal, kept: Kept) -> Invited:
        made = msgspec.json.decode(kept.answer, type=Invited)
        if kept.replayed:
            # The role may have changed since: what the user could not obtain now is not handed out again.
            async with self.accounts.tenant(principal.organization_id) as tenant:
                actor = await lock_and_find_actor(tenant, self.vault, principal)
                check(Deed(act=Act.INVITE, actor=actor, role=made.member.role))
        return replace(made, replayed=kept.replayed)

    async def change(
        self, principal: Principal, user_id: UUID, role: Role | None = None, *, disabled: bool | None = None
    ) -> Member:
        """
        Return the changed member; whatever changed, the user's sessions are over.

        Args:
            principal: who changes.
            user_id: whom.
            role: the new role; None leaves it.
            disabled: whether the user is kept out, and their invitation with them; None leaves it.

        Raises:
            NotFound: there is no such user.
            Forbidden: the principal may not do this.
            LastOwner: no active owner would be left.
        """
        async with self.accounts.tenant(principal.organization_id) as tenant:
            actor = await lock_and_find_actor(tenant, self.vault, principal)
            before = user = await find_target(tenant, self.vault, user_id)
            others = await other_owners(tenant, self.vault, user)
            if role is not None:
                check(Deed(act=Act.CHANGE_ROLE, actor=actor, target=user, role=role, other_owners=others))
                user = replace(user, role=role)
            if disabled is not None:
                act = Act.DISABLE if disabled else Act.ENABLE
                # By what the user was, too: nobody is made less first so that more can be done to them.
                check(Deed(act=act, actor=actor, target=before, other_owners=others))
                user = replace(user, disabled_us=(user.disabled_us or self.clock.now_us()) if disabled else None)
            if user != before:
                await self._save(tenant, principal, before, user)
        return await shown(self.vault, user)

    async def remove(self, principal: Principal, user_id: UUID) -> None:
        """
        Remove a member, with sessions and invitations; who removes themselves leaves.

        Raises:
            NotFound: there is no such user.
            Forbidden: the principal may not do this.
            LastOwner: no active owner would be left.
        """
        async with self.accounts.tenant(principal.organization_id) as tenant:
            actor = await lock_and_find_actor(tenant, self.vault, principal)
            if user_id != actor.id:
                # Before the look-up: whether there is such a user is for managers to know.
                check(Deed(act=Act.REMOVE, actor=actor))
            user = await find_target(tenant, self.vault, user_id, removing=True)
            others = await other_owners(tenant, self.vault, user)
            check(Deed(act=Act.REMOVE, actor=actor, target=user, other_owners=others))
            await tenant.users.remove(user.id)
            await tenant.record(self._changed(principal, user, "removed"))

    async def _save(self, tenant: Tenant, principal: Principal, before: User, user: User) -> None:
        await tenant.users.save(sealed(self.vault, user))
        await tenant.sessions.end_all(user.id, self.clock.now_us())
        if user.disabled_us is not None:
            await tenant.tokens.drop(user.id)
        if user.role is not before.role:
            await tenant.record(self._changed(principal, user, "role_changed", role=user.role.value))
        if user.disabled_us != before.disabled_us:
            what = "enabled" if user.disabled_us is None else "disabled"
            await tenant.record(self._changed(principal, user, what))

    def _new_token(self, user: User) -> NewToken:
        return self.one_time.make(user.organization_id, Purpose.JOIN, user.id, INVITATION_US)

    def _changed(self, principal: Principal, user: User, what: str, **more: str) -> Append:
        return self._event(principal, "user.changed", {"event": what, "user_id": str(user.id), **more})

    def _event(self, principal: Principal, record_type: RecordType, body: dict[str, str]) -> Append:
        ledger_id = str(principal.organization_id)
        return event(self.clock, self.entropy, ledger_id, principal.actor, record_type, body)
