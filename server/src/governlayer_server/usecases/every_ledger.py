"""What is done for every ledger: which there are, and that no one of them keeps the others waiting."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from governlayer_server.domain.errors import LedgerRefused
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.accounts import AccountStore


async def all_ledger_ids(accounts: AccountStore) -> Sequence[str]:
    """Return the ids of all ledgers that there must be: the deployment's own, and one for each organization."""
    return [SYSTEM_LEDGER, *(str(one.id) for one in await accounts.organizations())]


async def for_each_open(ledger_ids: Iterable[str], work: Callable[[str], Awaitable[object]]) -> None:
    """
    Do *work* for each ledger; one that is closed is passed over, for reasons that have been told.

    Raises:
        Exception: of the first ledger that failed, after all others have had their turn.
    """
    failures = list[Exception]()
    for ledger_id in ledger_ids:
        try:
            await work(ledger_id)
        except LedgerRefused:
            continue
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one costs the others nothing
            failures.append(error)
    if failures:
        raise failures[0]
