"""What papers say of the configuration is what is configured, and holds no secret."""

from pathlib import Path

import pytest
from governlayer_server.adapters.backup.s3_address import S3Address
from governlayer_server.domain.ledger.note import COSIGNATURE, VerifierKey
from governlayer_server.settings import AnchorSettings, Settings, mail_from
from governlayer_server.settings.anchors import TimestampSettings, WitnessSettings
from governlayer_server.settings.backups import BackupSettings
from governlayer_server.wiring.paperwork import facts_of
from msgspec.structs import replace

MAIL = {
    "GOVERNLAYER_SMTP_URL": "smtps://gl@mail.example.com",
    "GOVERNLAYER_SMTP_PASSWORD": "CANARY-smtp",
    "GOVERNLAYER_MAIL_FROM": "governlayer@example.com",
}
ANCHORS = AnchorSettings(
    witnesses=(
        WitnessSettings(
            name="w1", key=VerifierKey(name="w1", kind=COSIGNATURE, public_key=bytes(32)), url="https://w1.example.com"
        ),
    ),
    directory=Path("/mnt/worm"),
    syslog="/dev/log",
    timestamps=TimestampSettings(url="https://tsa.example.com", roots=Path("/etc/tsa.pem"), interval_us=1),
)
BUCKET = S3Address(
    endpoint="https://s3.example.com", bucket="vaulted", prefix="", region="x", access_key="CANARY-access",
    secret_key="CANARY-secret",
)  # fmt: skip


def test_nothing_is_configured_and_nobody_receives_anything(settings: Settings) -> None:
    facts = facts_of(settings, "file", "1")
    assert (facts.recipients, facts.anchors, facts.backups) == ((), (), None)
    assert (facts.deployment, facts.version, facts.key_provider) == ("gl.example.com", "1", "file")
    assert (facts.bcrypt_cost, facts.session_idle_minutes, facts.session_hours) == (4, 480, 168)


def test_all_who_receive_something_are_named_and_no_secret_is(settings: Settings) -> None:
    configured = replace(
        settings,
        mail=mail_from(MAIL, "https://gl.example.com"),
        anchors=ANCHORS,
        backups=BackupSettings(to=BUCKET, hours=6, passphrase="CANARY-passphrase"),
    )
    facts = facts_of(configured, "transit", "1")
    named = [one.name for one in facts.recipients]
    assert len(named) == 7
    for text in ("mail.example.com", "vaulted at https://s3.example.com", "OpenBao", "w1.example.com", "/mnt/worm",
                 "/dev/log", "tsa.example.com"):  # fmt: skip
        assert [one for one in named if text in one], text
    assert facts.anchors == tuple(named[-4:])
    assert "every 6 hours" in (facts.backups or "")
    assert "vaulted" in (facts.backups or "")
    assert "CANARY" not in f"{facts!r}"


@pytest.mark.parametrize("hours", [None, 24])
def test_a_directory_is_a_place_and_no_recipient(settings: Settings, hours: int | None) -> None:
    facts = facts_of(replace(settings, backups=BackupSettings(to=Path("/mnt/backups"), hours=hours)), "file", "1")
    assert facts.recipients == ()
    assert (facts.backups is None) == (hours is None)
    assert hours is None or "/mnt/backups" in (facts.backups or "")
