"""The trust file, c2sp.org/tlog-policy: grammar with negatives, quorums."""

from pathlib import Path

import pytest
from governlayer_verifier import cli
from governlayer_verifier.errors import FormatError
from governlayer_verifier.policy import MAX_OF_A_KIND, parse_policy
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.cosigners import LOG_PQ, PQ, W1, W2, W3, Ed25519Cosigner, trust
from tests.verifier.ledger_writer import KEY, SECOND_KEY, Signer, sample_ledger

TWO_OF_THREE = trust("group g 2 w1 w2 w3", "quorum g")


def faulty(content: bytes) -> str:
    with pytest.raises(FormatError) as raised:
        parse_policy(content)
    return str(raised.value)


def test_logs_witnesses_groups_and_the_quorum_are_read() -> None:
    policy = parse_policy(TWO_OF_THREE)
    assert [(each.key.name, each.line) for each in policy.logs] == [(KEY.name, 1)]
    assert [each.name for each in policy.witnesses] == ["w1", "w2", "w3"]
    assert (policy.quorum, policy.rule()) == ("g", "g: 2 of w1, w2, w3")


def test_comments_blanks_tabs_urls_and_post_quantum_keys_are_read() -> None:
    text = (
        f"# all of it\n\n \t \n  log\t{LOG_PQ.vkey}   https://log.example.com/ \n"
        f"witness Käthe {PQ.vkey} https://w.example.com\n\t# an aside\n quorum Käthe\t\n"
    )
    policy = parse_policy(text.encode())
    assert [each.name for each in policy.witnesses] == ["Käthe"]
    assert policy.logs[0].line == 4
    assert policy.is_met({"Käthe"})


def test_names_are_octets() -> None:
    kelvin, k = "\u212a".encode(), b"K"
    content = b"witness %s %s\nwitness %s %s\nquorum K\n" % (kelvin, W1.vkey.encode(), k, W2.vkey.encode())
    policy = parse_policy(content)
    assert (policy.is_met({"K"}), policy.is_met({"\u212a"})) == (True, False)
    latin = b"witness caf\xe9 %s\nquorum caf\xe9\n" % W1.vkey.encode()
    assert parse_policy(latin).is_met({b"caf\xe9".decode("utf-8", "surrogateescape")})


def test_quorum_none_asks_for_no_witness() -> None:
    policy = parse_policy(b"quorum none\n")
    assert (policy.quorum, policy.is_met(set()), policy.rule()) == (None, True, "none")


def test_groups_of_groups_need_what_they_say() -> None:
    policy = parse_policy(
        trust("group x 2 w1 w2", f"witness pq {PQ.vkey}", "group y any w3 pq", "group all all x y", "quorum all")
    )
    assert policy.rule() == "all: 2 of x, y; x: 2 of w1, w2; y: 1 of w3, pq"
    assert policy.is_met({"w1", "w2", "pq"})
    assert policy.is_met({"w1", "w2", "w3", "pq"})
    for too_few in ({"w1", "pq"}, {"w1", "w2"}, {"w3", "pq"}, set(), {"x", "y"}, {"all"}):
        assert not policy.is_met(too_few)


@given(st.integers(1, 3), st.sets(st.sampled_from(["w1", "w2", "w3", "unknown", "g", "none"])))
def test_a_group_holds_from_its_threshold_on(threshold: int, cosigners: set[str]) -> None:
    policy = parse_policy(trust(f"group g {threshold} w1 w2 w3", "quorum g"))
    assert policy.is_met(cosigners) is (len(cosigners & {"w1", "w2", "w3"}) >= threshold)


def test_at_least_32_of_each_are_taken() -> None:
    logs = [f"log {Signer(f'l{i}', bytes([i]) * 32).vkey}" for i in range(32)]
    witnesses = [f"witness w{i} {Ed25519Cosigner(f'w{i}', bytes([i]) * 32).vkey}" for i in range(32)]
    groups = [f"group g{i} any w{i}" + (f" g{i - 1}" if i else "") for i in range(32)]
    policy = parse_policy("\n".join([*logs, *witnesses, *groups, "quorum g31", ""]).encode())
    assert (len(policy.logs), len(policy.witnesses), len(policy.groups)) == (32, 32, 32)
    assert policy.is_met({"w0"})


def test_more_than_the_limit_is_refused_with_its_line() -> None:
    logs = [f"log {Signer('l', i.to_bytes(32, 'big')).vkey}" for i in range(MAX_OF_A_KIND + 1)]
    assert (
        faulty("\n".join([*logs, "quorum none", ""]).encode()) == f"line {MAX_OF_A_KIND + 1}: more than 256 log lines"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 0: the file ends without a quorum line"),
        (trust(), "line 4: the file ends without a quorum line"),
        (trust("quorum w1", "quorum w1"), "line 6: a second quorum line"),
        (trust("quorum none", "quorum none"), "line 6: a second quorum line"),
        (trust("quorum w4"), "line 5: the quorum is not defined above"),
        (trust("quorum g", "group g any w1"), "line 5: the quorum is not defined above"),
        (trust("quorum w1")[:-1], "line 5: it does not end in a newline"),
        (trust("quorum"), "line 5: a quorum line has other items"),
        (trust("quorum w1 w2"), "line 5: a quorum line has other items"),
        (trust("Quorum w1"), "line 5: it begins with none of"),
        (trust("quorum w1\r"), "line 5: it holds a control character"),
        (trust("# \x00", "quorum w1"), "line 5: it holds a control character"),
        (trust("quorum w1\x7f"), "line 5: it holds a control character"),
        (trust("quorum\u00a0w1"), "line 5: it begins with none of"),
        (trust("log", "quorum w1"), "line 5: a log line has other items"),
        (trust("log a b c", "quorum w1"), "line 5: a log line has other items"),
        (trust("log nonsense", "quorum w1"), "line 5: a verifier key is"),
        (trust(f"log {KEY.vkey}", "quorum w1"), "line 5: another log line has the same public key"),
        (trust(f"log {Signer('other', KEY.seed).vkey}", "quorum w1"), "line 5: another log line has the same"),
        (trust(f"log {W1.vkey}", "quorum w1"), "line 5: not a key of a log"),
        (trust(f"log {SECOND_KEY.vkey[:-4]}", "quorum w1"), "line 5: "),
        (trust(f"witness w4 {SECOND_KEY.vkey}", "quorum w1"), "line 5: not a key of a witness"),
        (trust(f"witness w4 {W1.vkey}", "quorum w1"), "line 5: another witness line has the same public key"),
        (trust(f"witness w1 {PQ.vkey}", "quorum w1"), "line 5: the name is taken"),
        (trust(f"witness none {PQ.vkey}", "quorum w1"), "line 5: the name is taken"),
        (trust("witness w4", "quorum w1"), "line 5: a witness line has other items"),
        (trust("group g any", "quorum w1"), "line 5: a group line has other items"),
        (trust("group g", "quorum w1"), "line 5: a group line has other items"),
        (trust("group g 0 w1", "quorum g"), "line 5: the threshold is not all, any or 1 to 1"),
        (trust("group g 3 w1 w2", "quorum g"), "line 5: the threshold is not all, any or 1 to 2"),
        (trust("group g 01 w1", "quorum g"), "line 5: the threshold is not"),
        (trust("group g +1 w1", "quorum g"), "line 5: the threshold is not"),
        (trust("group g ١ w1", "quorum g"), "line 5: the threshold is not"),
        (trust("group g 99999999999 w1", "quorum g"), "line 5: the threshold is not"),
        (trust("group g none w1", "quorum g"), "line 5: the threshold is not"),
        (trust("group g any g", "quorum g"), "line 5: a member of the group is not defined above"),
        (trust("group g any none", "quorum g"), "line 5: a member of the group is not defined above"),
        (trust("group g any w1 w1", "quorum g"), "line 5: a member of the group stands in a group already"),
        (trust("group g any w1", "group h any w1", "quorum h"), "line 6: a member of the group stands in a group"),
        (trust("group w1 any w2", "quorum w1"), "line 5: the name is taken"),
    ],
)  # fmt: skip
def test_malformed_files_are_refused_with_their_line(content: bytes, message: str) -> None:
    assert faulty(content).startswith(message)


@given(st.binary(max_size=200) | st.text(alphabet="quorm none#\n\tw1gplak ", max_size=60).map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_refused_with_a_line(content: bytes) -> None:
    try:
        outcome = parse_policy(content).rule()
    except FormatError as error:
        outcome = str(error)
    assert outcome == "none" or outcome.startswith("line ")


def test_a_malformed_trust_file_is_status_2_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger, path = tmp_path / "x.gldump", tmp_path / "trust"
    ledger.write_bytes(sample_ledger(3).dump())
    path.write_bytes(trust("quorum w9"))
    assert cli.main([str(ledger), "--trust", str(path)]) == 2
    assert capsys.readouterr().err == "gl-verify: trust file: line 5: the quorum is not defined above\n"
    assert cli.main([str(ledger), "--trust", str(tmp_path / "absent")]) == 2
    path.write_bytes(trust("quorum none"))
    assert cli.main([str(ledger), "--trust", str(path)]) == 0
    assert W3.vkey.encode() in path.read_bytes()
