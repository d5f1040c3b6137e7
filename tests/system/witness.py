"""`governlayer ledger witness` as a real process on a directory of its own."""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.system.appliance import GOVERNLAYER, START_S


class WitnessProcess:
    """One directory and the witness that runs on it, if one does."""

    def __init__(self, directory: Path, *logs: str, options: Sequence[str | Path] = ()) -> None:
        self.directory = directory
        self._options = options
        self._logs = [argument for log in logs for argument in ("--log", log)]
        self._out = directory.with_name(directory.name + ".out")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self.key = ""

    @property
    def setting(self) -> str:
        """What an appliance is told of it."""
        return f"{self.key.partition('+')[0]} {self.key} {self.url}"

    def start(self) -> Self:
        """Return when it serves; the port stays the same over restarts."""
        port = self.url.rpartition(":")[2] or "0"
        with self._out.open("wb") as out, self._out.with_suffix(".err").open("ab") as err:
            self._process = subprocess.Popen(
                [GOVERNLAYER, "ledger", "witness", "--directory", self.directory, "--name", "witness.example.com",
                 "--json", "--port", port, *self._logs, *self._options],
                stdout=out, stderr=err, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while b"\n" not in self._out.read_bytes():
            assert self._process.poll() is None, self._out.with_suffix(".err").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        said = json.loads(self._out.read_bytes())
        self.url, self.key = said["url"], said["key"]
        return self

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
