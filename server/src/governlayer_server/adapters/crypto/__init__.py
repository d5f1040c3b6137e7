"""Encryption, fingerprints, signatures, passwords: recipes over well-kept libraries."""
