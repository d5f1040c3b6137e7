"""What long work tells while it goes on."""

from types import SimpleNamespace

import pytest
from governlayer_server.cli.progress import Meter


class Watch:
    """A clock for the meter, and a terminal or none."""

    def __init__(self, patch: pytest.MonkeyPatch, *, is_terminal: bool) -> None:
        self.now_s = 100.0
        self.is_terminal = is_terminal
        patch.setattr("governlayer_server.cli.progress.time.monotonic", lambda: self.now_s)
        here = SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: is_terminal))
        patch.setattr("governlayer_server.cli.progress.sys", here)


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch, is_terminal=request.param)


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what stands on the line one after the other."""
    return [line for line in capsys.readouterr().err.replace("\r\x1b[K", "\n").splitlines() if line]


def test_before_the_first_figure_it_says_what_is_counted_and_no_speed(
    watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Meter("backup", "rows") as meter:
        begun = told(capsys)
        watch.now_s += 20
        meter.show(0, 1_000)
        assert told(capsys) == ["governlayer: backup: 0 of 1000 rows"]
        watch.now_s += 20
        meter.show(400, 1_000)
        assert told(capsys) == ["governlayer: backup: 400 of 1000 rows, 10/s, 60 s left"]
    assert begun == (["governlayer: backup: counting rows …"] if watch.is_terminal else [])


def test_it_speaks_now_and_then_only(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    with Meter("backup", "rows") as meter:
        told(capsys)
        for _ in range(3):
            watch.now_s += 0.15
            meter.show(1, 2)
        assert len(told(capsys)) == watch.is_terminal
