"""Names of tables and columns in SQL."""


def quoted(name: str) -> str:
    """Return *name* as an identifier: what the catalog names need not be what we would call it."""
    return '"' + name.replace('"', '""') + '"'
