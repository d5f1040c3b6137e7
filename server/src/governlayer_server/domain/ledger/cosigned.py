"""
What an ML-DSA-44 key signs of a checkpoint: type 0x06, timestamped (c2sp.org/tlog-cosignature, ledger-v1 §5).

The key's name is part of what is signed, and so is the time: as of then, no larger tree of this ledger was signed.
"""

import struct

_LABEL = b"subtree/v1\n\0"
_TREE = struct.Struct(">QQ32s")
_TIME = struct.Struct(">Q")


def cosigned_tree(name: str, origin: str, size: int, root: bytes, time_s: int) -> bytes:
    """
    Return the message: label, key name, time, origin, the range of leaves from 0 to *size*, root.

    Args:
        name: the key's, 1 to 255 bytes of UTF-8.
        origin: the ledger's, 1 to 255 characters.
        size: how many records.
        root: of the tree over them, 32 bytes.
        time_s: seconds since the Unix epoch.
    """
    return b"".join(
        (_LABEL, _short(name), _TIME.pack(time_s), _short(origin), _TREE.pack(0, size, root)),
    )


def timestamped(time_s: int, signature: bytes) -> bytes:
    """Return what stands in the signature line after the key id: the time, then the signature."""
    return _TIME.pack(time_s) + signature


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded
