"""Ed25519 signature verification, RFC 8032 §5.1, in plain integers.

Verification handles public values only, so nothing here is, or needs to be, constant time.

Of the readings that RFC 8032 leaves open the strictest is taken, so that whatever is accepted here every
other verifier accepts too: S below the group order; both points canonically encoded (y < p, no "minus zero");
neither point of small order; and the equation without the cofactor, [S]B = R + [k]A.
"""

import hashlib
from functools import cache

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_MINUS_1 = pow(2, (_P - 1) // 4, _P)

# (X, Y, Z, T) with x = X/Z, y = Y/Z, x·y = T/Z: extended homogeneous coordinates, RFC 8032 §5.1.4.
_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """
    Return whether *signature* is a strict Ed25519 signature of *message* (RFC 8032 §5.1.7).

    Args:
        public_key: 32 bytes; another length is refused.
        message: what was signed, of any length.
        signature: 64 bytes, R ‖ S; another length is refused.
    """
    if len(public_key) != 32 or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    a = _decode(public_key)
    if s >= _L or a is None or _is_small(a):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % _L
    minus_a = (_P - a[0], a[1], a[2], _P - a[3])
    r = _two_products(s, k, minus_a)
    # Comparing encodings also refuses every non-canonical R.
    return _encode(r) == signature[:32] and not _is_small(r)


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p: _Point) -> _Point:
    a = p[0] * p[0] % _P
    b = p[1] * p[1] % _P
    h = a + b
    e = h - (p[0] + p[1]) * (p[0] + p[1])
    g = a - b
    f = 2 * p[2] * p[2] + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _is_small(p: _Point) -> bool:
    x, y, z, _ = _double(_double(_double(p)))
    return x == 0 and y == z


def _decode(encoded: bytes) -> _Point | None:
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == _P - u:
        x = x * _SQRT_MINUS_1 % _P
    if v * x * x % _P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _encode(p: _Point) -> bytes:
    z_inverse = pow(p[2], -1, _P)
    x, y = p[0] * z_inverse % _P, p[1] * z_inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _multiples(p: _Point) -> tuple[_Point, ...]:
    table = [_NEUTRAL]
    for _ in range(15):
        table.append(_add(table[-1], p))
    return tuple(table)


@cache
def _multiples_of_base() -> tuple[_Point, ...]:
    base = _decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    return _multiples(base if base is not None else _NEUTRAL)


def _two_products(s: int, k: int, p: _Point) -> _Point:
    """Return [s]B + [k]p, four bits of both scalars at a time."""
    of_base, of_p = _multiples_of_base(), _multiples(p)
    total = _NEUTRAL
    for shift in range(252, -1, -4):
        total = _double(_double(_double(_double(total))))
        total = _add(total, of_base[s >> shift & 15])
        total = _add(total, of_p[k >> shift & 15])
    return total
