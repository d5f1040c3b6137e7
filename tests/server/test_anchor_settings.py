"""Where checkpoints go is said in settings, and what is malformed or would leave unencrypted is refused at the start."""

from pathlib import Path

import pytest
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.ledger.note import COSIGNATURE, ED25519, VerifierKey
from governlayer_server.domain.times import MINUTE_US
from governlayer_server.settings import AnchorSettings, anchors_from

FIRST, SECOND = (
    VerifierKey(name=f"w{number}.example.com", kind=COSIGNATURE, public_key=bytes([number]) * 32) for number in (1, 2)
)


def test_nothing_is_said_and_nothing_goes_anywhere() -> None:
    assert anchors_from({}) == AnchorSettings()
    empty = {f"GOVERNLAYER_{name}": "" for name in ("WITNESSES", "CHECKPOINT_DIR", "CHECKPOINT_SYSLOG", "TSA_URL")}
    assert anchors_from(empty) == AnchorSettings()


@pytest.mark.parametrize("separator", [",", "\n", " , ", ",\n"])
def test_all_of_it_is_read(separator: str) -> None:
    lines = (f"w1 {FIRST} https://w1.example.com/", f"w2 {SECOND} http://127.0.0.1:8601")
    settings = anchors_from(
        {
            "GOVERNLAYER_WITNESSES": separator.join(lines),
            "GOVERNLAYER_ANCHOR_CA": "/etc/ca.pem",
            "GOVERNLAYER_CHECKPOINT_DIR": "/mnt/worm",
            "GOVERNLAYER_CHECKPOINT_SYSLOG": "/dev/log",
            "GOVERNLAYER_TSA_URL": "https://tsa.example.com/tsr",
            "GOVERNLAYER_TSA_CA": "/etc/tsa.pem",
            "GOVERNLAYER_TSA_MINUTES": "1440",
        }
    )
    assert [(one.name, one.key, one.url) for one in settings.witnesses] == [
        ("w1", FIRST, "https://w1.example.com"),
        ("w2", SECOND, "http://127.0.0.1:8601"),
    ]
    assert (settings.ca, settings.directory, settings.syslog) == (Path("/etc/ca.pem"), Path("/mnt/worm"), "/dev/log")
    assert settings.timestamps is not None
    assert (settings.timestamps.url, settings.timestamps.interval_us) == (
        "https://tsa.example.com/tsr",
        1440 * MINUTE_US,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WITNESSES", f"w1 {FIRST}"),
        ("WITNESSES", f"w1 {FIRST} https://a b"),
        ("WITNESSES", f"w1 {FIRST} http://w1.example.com"),
        ("WITNESSES", f"w/1 {FIRST} https://w1.example.com"),
        ("WITNESSES", f"w1 {FIRST} https://a,w1 {SECOND} https://b"),
        ("WITNESSES", f"w1 {FIRST} https://a,w2 {FIRST} https://b"),
        ("WITNESSES", f"w1 {str(FIRST)[:-3]}AAA https://a"),
        ("WITNESSES", f"w1 {VerifierKey(name='log', kind=ED25519, public_key=bytes(32))} https://a"),
        ("CHECKPOINT_SYSLOG", "log.example.com:514"),
        ("TSA_URL", "https://tsa.example.com"),
        ("TSA_CA", "/etc/tsa.pem"),
        ("TSA_MINUTES", "0"),
        ("TSA_MINUTES", "often"),
    ],
)
def test_what_is_malformed_or_half_said_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError):
        anchors_from({f"GOVERNLAYER_{name}": value})


def test_there_are_at_most_16_witnesses() -> None:
    many = ",".join(
        f"w{number} {VerifierKey(name='w', kind=COSIGNATURE, public_key=bytes([number]) * 32)} https://w{number}"
        for number in range(17)
    )
    with pytest.raises(ConfigurationError, match="16"):
        anchors_from({"GOVERNLAYER_WITNESSES": many})
    assert len(anchors_from({"GOVERNLAYER_WITNESSES": many.rpartition(",")[0]}).witnesses) == 16
