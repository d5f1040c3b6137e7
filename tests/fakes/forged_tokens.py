"""
Access tokens that must be refused, made out of a genuine one and its secret: for the class and for tests over HTTP.

Signatures are made with hmac alone, not with the library that the appliance uses. ``forge.resigned`` is the control:
the genuine token, signed there, is the genuine token; so a forged one is refused for what was changed.
"""

import hmac
from collections.abc import Iterator

from tests.fakes.forge import Case, Forge, compact, decoded, encoded
from tests.fakes.forged_claims import claim_texts, claims, missing, times
from tests.fakes.forged_headers import algorithms, header_texts, headers, key_ids, keys


def forged_tokens(secret: bytes, genuine: str, now_s: int) -> dict[str, str]:
    """
    Return name → token.

    Args:
        secret: the key that signed *genuine*.
        genuine: a token that is accepted at *now_s*.
        now_s: the time of the verifier, seconds since the Unix epoch; those named ``time …`` are refused then.
    """
    forge = Forge(secret, genuine, now_s)
    groups = (algorithms, keys, key_ids, headers, header_texts, missing, claims, times, claim_texts, signatures, shapes)
    cases = [case for group in groups for case in group(forge)]
    names = [name for name, _ in cases]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    # The same token under two names is tried once.
    return {name: token for token, name in {token: name for name, token in reversed(cases)}.items()}


def signatures(forge: Forge) -> Iterator[Case]:
    head, payload, signature = forge.parts
    raw = decoded(signature)
    spare = signature[:-1] + chr(ord(signature[-1]) + 1)  # the last character carries four spare bits
    assert decoded(spare) == raw
    other = forge.claim(role="owner" if forge.claims["role"] != "owner" else "admin").split(".")
    changed = {
        "none": "", "cut by a character": signature[:-1], "cut by a byte": encoded(raw[:-1]), "half": encoded(raw[:32]),
        "longer by a byte": encoded(raw + b"\0"), "twice": encoded(raw + raw), "zeros": encoded(bytes(64)),
        "first bit flipped": encoded(bytes([raw[0] ^ 128]) + raw[1:]), "with spare bits set": spare,
        "last bit flipped": encoded(raw[:-1] + bytes([raw[-1] ^ 1])), "of another token": other[2],
        "padded": signature + "==", "padded by one": signature + "=", "in lower case": signature.lower(),
        "with a line end": signature + "\n", "with a space": signature[:9] + " " + signature[9:], "in hexadecimal": raw.hex(),
        "of the payload alone": encoded(hmac.digest(forge.secret, payload.encode(), "sha512")),
        "of the decoded text": encoded(hmac.digest(forge.secret, decoded(head) + b"." + decoded(payload), "sha512")),
    }  # fmt: skip
    for name, text in changed.items():
        yield f"signature {name}", f"{head}.{payload}.{text}"
    yield "claims of another token", f"{head}.{other[1]}.{signature}"
    for text in ("alg", "kid", "typ"):
        yield (
            f"header without {text} under the old signature",
            ".".join([encoded(compact({k: v for k, v in forge.header.items() if k != text})), payload, signature]),
        )


def shapes(forge: Forge) -> Iterator[Case]:
    genuine = forge.genuine
    head, payload, signature = forge.parts
    flat = {"protected": head, "payload": payload, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": head, "signature": signature}]}
    shaped = {
        "nothing": "", "a dot": ".", "two dots": "..", "three dots": "...", "2,000 dots": "." * 2000, "one part": head,
        "two parts": f"{head}.{payload}", "two parts and a dot": f"{head}.{payload}.", "four parts": genuine + ".x",
        "a dot behind": genuine + ".", "a dot before": "." + genuine, "five parts (JWE)": f"{head}..{payload}.x.{signature}",
        "detached": f"{head}..{signature}", "without header": f".{payload}.{signature}", "two of them": f"{genuine},{genuine}",
        "end to end": genuine * 2, "space before": " " + genuine, "space behind": genuine + " ", "tab behind": genuine + "\t",
        "line end behind": genuine + "\n", "NUL behind": genuine + "\0", "with its scheme": "Bearer " + genuine,
        "in quotes": f'"{genuine}"', "percent encoded": genuine.replace(".", "%2E"), "with wide dots": genuine.replace(".", "\uff0e"),
        "with a letter of another script": genuine[:-1] + "\u0430", "with a lone surrogate": genuine + "\ud800",
        "in UTF-16": genuine.encode("utf-16-le").decode("latin-1"), "upper case": genuine.upper(), "backwards": genuine[::-1],
        "JSON serialization, flat": compact(flat).decode(), "JSON serialization": compact(general).decode(),
        "a megabyte": "a" * 2**20, "a megabyte of payload": f"{head}.{'a' * 2**20}.{signature}", "another credential": "gl_" + "0" * 36,
    }  # fmt: skip
    for name, text in shaped.items():
        yield f"shape: {name}", text
    yield "shape: larger than 2 KiB, signed", forge.told(compact(forge.claims) + b" " * 2048)
    yield "shape: header padded", forge.sign(head + "=" * (-len(head) % 4 or 4), payload)
    yield "shape: payload padded", forge.sign(head, payload + "=" * (-len(payload) % 4 or 4))
    for at, name in ((0, "before"), (7, "inside"), (len(payload), "behind")):
        for blank in (" ", "\n", "\r\n", "\t"):
            spaced = payload[:at] + blank + payload[at:]
            yield f"shape: {blank!r} {name} the payload, signed", forge.sign(head, spaced)
    for alphabet, other in (("-_", "+/"), ("A", "!"), ("e", "é")):
        changed = payload.translate(str.maketrans(alphabet, other))
        if changed != payload:
            yield f"shape: payload with {other}, signed", forge.sign(head, changed)
