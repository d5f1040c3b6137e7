"""Forged access tokens: claims that are missing, odd, out of date or written in another way, all signed with the key."""

from collections.abc import Iterator

from tests.fakes.forge import Case, Forge, compact, texts


def missing(forge: Forge) -> Iterator[Case]:
    for claim in forge.claims:
        yield f"{claim} missing", forge.told(compact({k: v for k, v in forge.claims.items() if k != claim}))
        for odd in (None, [], {}, "", True):
            yield f"{claim} is {odd!r}", forge.claim(**{claim: odd})
        yield f"{claim} in an array", forge.claim(**{claim: [forge.claims[claim]]})


def claims(forge: Forge) -> Iterator[Case]:
    old = forge.claims
    for claim in ("iss", "aud"):
        for value in ("x", old[claim] + "/", old[claim] + " ", old[claim].upper() + "X", old[claim][:-1], "*", "null"):
            yield f"{claim} {value!r}", forge.claim(**{claim: value})
    yield "aud one of two", forge.claim(aud=["x", old["aud"]])
    for claim in ("sub", "org", "sid", "jti"):
        ours = old[claim]
        odd = (ours.upper() + " ", "{" + ours + "}", "urn:uuid:" + ours, ours.replace("-", ""), " " + ours, ours[:-1])
        for value in (*odd, 7, "*", "../" + ours, "' OR 1=1 --", "admin"):
            yield f"{claim} {value!r}", forge.claim(**{claim: value})
    for role in (
        "root",
        "OWNER",
        "superuser",
        old["role"] + " ",
        old["role"] + "\0",
        ["owner", "admin"],
        {"owner": 1},
        0,
    ):
        yield f"role {role!r}", forge.claim(role=role)
    for extra in ("admin", "scope", "roles", "cnf", "act", "__proto__", "__class__"):
        yield f"another claim {extra}", forge.claim(**{extra: "owner"})


def times(forge: Forge) -> Iterator[Case]:
    now, old = forge.now_s, forge.claims
    lifetime = old["exp"] - old["iat"]
    for age in (0, 1, 60, 3600, 10**9):
        then = now - lifetime - age
        yield f"time: expired {age} seconds ago", forge.claim(iat=then, nbf=then, exp=now - age)
    for claim in ("iat", "nbf"):
        for ahead in (1, 2, 60, 10**12):
            yield f"time: {claim} {ahead} seconds ahead", forge.claim(**{claim: now + ahead})
    for claim, more in (("exp", 1), ("exp", 3600), ("exp", 10**12), ("iat", -1), ("iat", -(10**12))):
        yield f"time: longer than the limit by {more} of {claim}", forge.claim(**{claim: old[claim] + more})
    for exp in (-1, 0, 1, -(10**30), 10**30, 2**31, 2**63, 2**64, -old["exp"], 253402300800):
        yield f"exp {exp}", forge.claim(exp=exp)
    for claim in ("iat", "nbf", "exp"):
        value = old[claim]
        for odd in (
            str(value),
            float(value),
            value + 0.5,
            hex(value),
            f" {value}",
            f"{value}.0",
            {"$numberLong": value},
        ):
            yield f"{claim} {odd!r}", forge.claim(**{claim: odd})


def claim_texts(forge: Forge) -> Iterator[Case]:
    text, exp = compact(forge.claims), forge.claims["exp"]
    for name, data in texts(text):
        yield f"claims {name}", forge.told(data)
    for claim, value in (
        ("exp", exp + 10**6),
        ("exp", exp),
        ("role", "owner"),
        ("sub", "x"),
        ("org", forge.claims["sub"]),
    ):
        double = compact({claim: value})[1:-1]
        yield f"claims double {claim} {value} at the end", forge.told(text[:-1] + b"," + double + b"}")
        yield f"claims double {claim} {value} in front", forge.told(b"{" + double + b"," + text[1:])
    yield "claims in another order", forge.told(compact(dict(reversed(forge.claims.items()))))
    for odd in (
        "NaN",
        "Infinity",
        "-Infinity",
        f"{exp}.0",
        f"{exp}e0",
        f"0{exp}",
        f"+{exp}",
        f"-{exp}",
        f"{exp // 10}e1",
        "9" * 600,
    ):
        yield f"exp written {odd[:20]}", forge.told(text.replace(b'"exp":%d' % exp, b'"exp":' + odd.encode()))
    yield "a token in a token", forge.told(forge.genuine.encode())
    yield "a token in a token as a string", forge.told(compact(forge.genuine))
