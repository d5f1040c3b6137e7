from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def state_dir(tmp_path, monkeypatch):
    """Keep what clients remember of ledgers apart: from each other's tests, and from this host."""
    path = tmp_path / "state"
    monkeypatch.setenv("GOVERNLAYER_STATE_DIR", str(path))
    monkeypatch.delenv("GOVERNLAYER_LEDGER_KEY", raising=False)
    return path
