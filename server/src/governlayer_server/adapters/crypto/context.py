"""Associated data: what a ciphertext is bound to, written so that no two lists of parts give the same bytes."""


def joined(*parts: str) -> bytes:
    """Return *parts* with their lengths (32 bits, big endian) in front of each."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
