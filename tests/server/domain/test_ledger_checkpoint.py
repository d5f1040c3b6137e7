"""ledger-v1 §5 to §7: signed notes, receipts and whole dumps come out byte for byte as in the vectors."""

import json
from uuid import UUID

import pytest
from governlayer_server.domain.errors import LedgerFormatError, ProofError
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.checkpoint import checkpoint_text, key_id, signed_note, verifier_key
from governlayer_server.domain.ledger.commitment import Payload, commitment, commitments
from governlayer_server.domain.ledger.dump import checkpoint_line, end_line, header_line, payload_line
from governlayer_server.domain.ledger.growth import Growth, Prepared, extend
from governlayer_server.domain.ledger.receipt import receipt_text
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.ledger.tree import Edge, root
from governlayer_server.domain.times import parse_time
from governlayer_server.ports.ledger import Entry, StoredAnswer
from governlayer_server.usecases.sign_checkpoint import receipt_again, receipt_for, sign_checkpoint
from msgspec.structs import replace

from tests.fakes.rfc6962 import path
from tests.fakes.vectors import FOLDER, draft_of, dump_lines, read_json, record_lines, vector_key, vector_signer

INDEX = read_json("index.json")
VALID = [dump["file"].removeprefix("dumps/") for dump in INDEX["dumps"] if dump["verdict"] == "valid"]
HONEST = sorted(set(VALID) - {"insider-rewrite-unseen.gldump"})
KEY, SIGNER = vector_key(), vector_signer()


def heads_of(lines: list[bytes]) -> dict[int, tuple[Head, Record | None]]:
    """The ledger of *lines*, made again: by size the head and its last record."""
    head = empty_head(INDEX["origin"])
    heads: dict[int, tuple[Head, Record | None]] = {0: (head, None)}
    for line in lines:
        record, head = extend(head, draft_of(line), parse_time(json.loads(line)["time"]))
        heads[head.size] = (head, record)
    return heads


def test_the_verifier_key_is_that_of_the_vectors() -> None:
    assert verifier_key(KEY.name, KEY.public_key) == INDEX["verifier_key"]
    assert key_id(KEY.name, KEY.public_key).hex() == INDEX["verifier_key"].split("+")[1]


@pytest.mark.parametrize("name", HONEST)
def test_every_line_of_a_valid_dump_is_reproduced_byte_for_byte(name: str) -> None:
    lines = dump_lines(name)
    heads = heads_of(record_lines(name))
    made, notes = [], 0
    for line in lines:
        value = json.loads(line)
        kind = next(iter(value))
        if kind == "dump":
            header = value["dump"]
            made.append(
                header_line(
                    created=header["created"],
                    first=header["first"],
                    last=header["last"],
                    origin=header["origin"],
                    genesis_hash=heads[0][0].hash.hex(),
                    keys=[verifier_key(KEY.name, KEY.public_key)],
                    names=list(reversed(header["payloads"])),
                )
            )
        elif kind == "actor":
            record = heads[value["seq"] + 1][1]
            assert record is not None
            made.append(record.canonical + b"\n")
        elif kind == "payload":
            payload = value["payload"]
            disclosed = Payload(name=payload["name"], nonce=bytes.fromhex(payload["nonce"]), text=payload["text"])
            made.append(payload_line(payload["seq"], disclosed))
        elif kind == "checkpoint":
            notes += 1
            made.append(checkpoint_line(sign_checkpoint(SIGNER, heads[int(value["checkpoint"].split("\n")[1])][0])))
        else:
            made.append(end_line(heads[len(heads) - 1][0].hash.hex(), len(heads) - 1))
    assert made == lines
    assert notes >= (name != "empty.gldump")


def test_the_receipt_of_the_newest_record_is_that_of_the_vectors() -> None:
    heads = heads_of(record_lines("three-hundred.gldump"))
    growth = Growth(heads[299][0], heads[300][0].time_us)
    record = growth.append(Prepared(draft_of(record_lines("three-hundred.gldump")[299])))
    expected = (FOLDER / "receipt-299.tlog-proof").read_text(encoding="utf-8")
    assert receipt_for(SIGNER, Entry(record=record, growth=growth)) == expected


@pytest.mark.parametrize("seq", [0, 17, 299])
def test_a_receipt_is_made_again_from_the_proof_that_was_kept(seq: int) -> None:
    lines = record_lines("three-hundred.gldump")
    record = heads_of(lines)[seq + 1][1]
    assert record is not None
    proof = tuple(path(seq, lines))
    stored = StoredAnswer(body=b"", sealed=b"", record_id=UUID(int=1), size=300, proof=proof)
    expected = (FOLDER / f"receipt-{seq}.tlog-proof").read_text(encoding="utf-8")
    assert receipt_again(SIGNER, INDEX["origin"], record, stored) == expected
    for wrong in (proof[:-1], (*proof, bytes(32))):
        with pytest.raises(ProofError):
            receipt_again(SIGNER, INDEX["origin"], record, replace(stored, proof=wrong))


@pytest.mark.parametrize("seq", [0, 17, 299])
def test_the_text_of_a_receipt_is_that_of_the_vectors(seq: int) -> None:
    lines = record_lines("three-hundred.gldump")
    heads = heads_of(lines)
    record = heads[seq + 1][1]
    assert record is not None
    note = sign_checkpoint(SIGNER, heads[300][0])
    expected = (FOLDER / f"receipt-{seq}.tlog-proof").read_text(encoding="utf-8")
    assert receipt_text(record, path(seq, lines), note) == expected


def test_the_signed_text_is_origin_size_and_root() -> None:
    text = checkpoint_text("a/b", 0, root(Edge()))
    assert text == "a/b\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    note = signed_note(text, [KEY.line(text)])
    assert note.startswith(text + f"\n\u2014 {KEY.name} ")
    assert note.endswith("\n")


@pytest.mark.parametrize("vector", read_json("hashes.json")["commitments"], ids=lambda vector: str(vector)[:30])
def test_commitments_are_those_of_the_vectors(vector: dict[str, str]) -> None:
    assert commitment(bytes.fromhex(vector["nonce"]), vector["payload"].encode()) == vector["commitment"]


def test_commitments_of_disclosed_payloads_stand_in_their_records() -> None:
    lines = [json.loads(line) for line in dump_lines("twenty.gldump")]
    payloads = [line["payload"] for line in lines if "payload" in line]
    assert len(payloads) >= 5
    by_seq = {line["seq"]: line for line in lines if "actor" in line}
    for one in payloads:
        payload = Payload(name=one["name"], nonce=bytes.fromhex(one["nonce"]), text=one["text"])
        assert commitments((payload,))[payload.name] == by_seq[one["seq"]]["commitments"][one["name"]]


@pytest.mark.parametrize(("nonce", "length"), [(31, 0), (33, 0), (0, 0), (32, 1_048_577)])
def test_a_commitment_with_a_wrong_length_is_refused(nonce: int, length: int) -> None:
    with pytest.raises(LedgerFormatError):
        commitment(bytes(nonce), bytes(length))


def test_a_payload_of_exactly_one_mebibyte_is_admitted() -> None:
    assert len(commitment(bytes(32), bytes(1_048_576))) == 64


def test_two_payloads_of_one_name_are_refused() -> None:
    payloads = tuple(Payload(name="content", nonce=bytes([number]) * 32, text="x") for number in range(2))
    with pytest.raises(LedgerFormatError):
        commitments(payloads)


def test_a_payload_shows_neither_nonce_nor_text() -> None:
    assert repr(Payload(name="content", nonce=b"N" * 32, text="TEXT")) == "Payload(name='content')"
