"""Logs: JSON lines of an allow-list of fields."""
