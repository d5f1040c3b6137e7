"""Backups: the places that keep them, and the form of their files."""
