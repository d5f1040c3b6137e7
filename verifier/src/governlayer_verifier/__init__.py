"""Offline verifier of GovernLayer ledger dumps (ledger-v1)."""
