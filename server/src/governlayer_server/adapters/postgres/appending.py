"""
Writing records: what the function ``ledger_append`` is given, and what it answers (migration m0004).

One call locks the heads of all ledgers concerned in ascending order, compares each with the head that the records were
made for, and writes records, payloads, kept answers and new heads. Or, where a head has moved on, nothing.
``(ledger_id, seq)`` is unique besides, so that not even a fault here could fork a ledger.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from asyncpg import Record as Row

from governlayer_server.domain.errors import LedgerDamaged, NotFound
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.growth import Growth, Prepared
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.ledger.tree import edge_bytes, edge_from_bytes, hashes_from_bytes
from governlayer_server.ports.ledger import AnswerExists, Append, Entry, StoredAnswer

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

APPEND = """
SELECT * FROM ledger_append(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
    $26, $27, $28, $29, $30)
"""
APPEND_NAMING = """
SELECT * FROM ledger_append_naming(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
    $26, $27, $28, $29, $30, $31, $32, $33)
"""
SUBJECT_GONE = "subject_key_is_there"
LOCK = "SELECT id, origin, size, head_hash, head_time_us, edge FROM ledger_lock($1)"


class Placed(NamedTuple):
    """An append and the record that it becomes."""

    append: Append
    record: Record


class Growing(NamedTuple):
    """A ledger with what is about to be appended to it."""

    ledger_id: str
    growth: Growth
    placed: Sequence[Placed]

    def entry(self, record: Record) -> Entry:
        """Return what the writer of *record* gets, once it is durable."""
        return Entry(record=record, growth=self.growth)


class Moved(Exception):  # not a failure: the records are made anew, for the head as it stands
    """Others have appended to the ledger ``args[0]`` meanwhile. Nothing was written."""


async def lock_heads(connection: "PoolConnectionProxy", ledger_ids: Sequence[str]) -> dict[str, Head | Exception]:
    """
    Return the heads of the ledgers, held until the transaction ends; in the place of a head, why there is none.

    Args:
        connection: in a transaction.
        ledger_ids: ascending, as all lock them.
    """
    heads: dict[str, Head | Exception] = dict.fromkeys(ledger_ids, NotFound("there is no such ledger"))
    for row in await connection.fetch(LOCK, ledger_ids):
        try:
            heads[row["id"]] = head_of(row)
        except LedgerDamaged as damaged:
            heads[row["id"]] = damaged
    return heads


async def write(
    connection: "PoolConnectionProxy", growing: Sequence[Growing], now_us: int
) -> Mapping[tuple[str, bytes], StoredAnswer]:
    """
    Write all records of *growing*; durable when the transaction that *connection* is in commits.

    Args:
        connection: in a transaction or not; the call is one by itself.
        growing: ascending by ledger.
        now_us: answers that have expired by then do not count.

    Returns:
        The answers that idempotency keys in *growing* have already, by ledger and key; if there is one, nothing was
        written.

    Raises:
        Moved: a ledger has another head. Nothing was written.
    """
    subjects = [[row for one in each.placed for row in _subject_rows(one)] for each in growing]
    if any(subjects):
        rows = await connection.fetch(APPEND_NAMING, *_arguments(growing, now_us), *_columns(subjects, 2))
    else:
        rows = await connection.fetch(APPEND, *_arguments(growing, now_us))
    for row in rows:
        if row["moved"]:
            raise Moved(row["ledger_id"])
    return {(row["ledger_id"], row["key"]): answer_of(row) for row in rows}


async def append_within(connection: "PoolConnectionProxy", append: Append, now_us: Callable[[], int]) -> Entry:
    """
    Return the record, appended in the transaction that *connection* is in.

    Durable when that transaction commits. The clock is read once the ledger's head is held. The transaction's tenant is
    the ledger's afterwards.

    Raises:
        NotFound: there is no such ledger.
        LedgerDamaged: its head contradicts itself. Nothing was appended.
        AnswerExists: the idempotency key was used meanwhile. Nothing was appended.
    """
    head = (await lock_heads(connection, [append.ledger_id]))[append.ledger_id]
    if isinstance(head, Exception):
        raise head
    time_us = now_us()
    growth = Growth(head, time_us)
    record = growth.append(Prepared(append.draft))
    growing = Growing(append.ledger_id, growth, [Placed(append, record)])
    for answer in (await write(connection, [growing], time_us)).values():
        raise AnswerExists(answer)
    return growing.entry(record)


def head_of(row: Row) -> Head:
    """
    Return the head in a row of ``ledger``.

    Raises:
        LedgerDamaged: its edge is not one of its size.
    """
    try:
        edge = edge_from_bytes(row["size"], row["edge"])
    except ValueError as error:
        raise LedgerDamaged("the ledger's stored edge is not that of a tree of its size") from error
    return Head(origin=row["origin"], hash=row["head_hash"], time_us=row["head_time_us"], edge=edge)


def answer_of(row: Row) -> StoredAnswer:
    """Return the answer in a row of ``idempotent_answer``."""
    return StoredAnswer(
        body=row["body"],
        sealed=row["sealed"],
        record_id=row["record_id"],
        size=row["size"],
        proof=hashes_from_bytes(row["proof"]),
    )


def _arguments(growing: Sequence[Growing], now_us: int) -> list[object]:
    heads = [
        [one.ledger_id for one in growing],
        [one.growth.before.size for one in growing],
        [one.growth.before.hash for one in growing],
        [one.growth.head.size for one in growing],
        [one.growth.head.hash for one in growing],
        [one.growth.head.time_us for one in growing],
        [edge_bytes(one.growth.head.edge) for one in growing],
    ]
    records = _columns([[_record_row(one) for one in each.placed] for each in growing], 9)
    payloads = _columns([[row for one in each.placed for row in _payload_rows(one)] for each in growing], 3)
    answers = _columns([[row for one in each.placed for row in _answer_rows(one, each)] for each in growing], 7)
    return [*heads, *records, *payloads, *answers, now_us]


def _columns(rows: Sequence[Sequence[tuple[object, ...]]], count: int) -> list[list[object]]:
    """Return where the rows of each ledger end, and then the columns of all rows."""
    flat = [row for each in rows for row in each]
    ends: list[object] = []
    end = 0
    for each in rows:
        end += len(each)
        ends.append(end)
    return [ends, *([row[column] for row in flat] for column in range(count))]


def _record_row(placed: Placed) -> tuple[object, ...]:
    append, record = placed
    return (
        record.seq, append.record_id, record.type, append.agent, append.decision, record.time_us,
        record.canonical, record.hash, record.prev_hash,
    )  # fmt: skip


def _payload_rows(placed: Placed) -> list[tuple[object, ...]]:
    return [(placed.record.seq, payload.name, payload.sealed) for payload in placed.append.payloads]


def _subject_rows(placed: Placed) -> list[tuple[object, ...]]:
    return [(placed.record.seq, subject) for subject in placed.append.subjects]


def _answer_rows(placed: Placed, growing: Growing) -> list[tuple[object, ...]]:
    kept = placed.append.remember
    if kept is None:
        return []
    proof = b"".join(growing.growth.inclusion_proof(placed.record.seq))
    size = growing.growth.head.size
    return [(kept.key, kept.body, kept.sealed, placed.append.record_id, kept.expires_us, size, proof)]
