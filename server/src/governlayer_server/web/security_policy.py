"""The policy for reports of weaknesses: the one text, for SECURITY.md and for what the appliance serves."""

PATH = "/docs/security-policy"

_TEXT = """\
# Security policy

How to report a weakness of GovernLayer, and what happens then.

## Where to

{place}

Please do not open a public issue, and do not tell others before it is mended.

## What to send

- the version (`governlayer --version`), and how it runs: `up`, Compose or Helm
- what somebody can do who should not be able to, and what they need for it: a key, a role, a place in the network
- the steps, requests or program that show it, as short as you can make them
- whom we may thank, if you want to be named

Leave out personal data, payloads and working credentials: what shows the weakness with made-up data is enough.

## What you get

| | |
|---|---|
| within 48 hours | an acknowledgement that your report arrived |
| within 5 business days | an assessment: whether we see it as you do, how severe it is, and what comes next |
| until it is mended | word of how far it is, whenever you ask |
| with the mended version | an advisory that says what was wrong, since when, and who found it, if you want that |

We ask you for 90 days before you publish, and agree on another date with you where it takes longer or is known already.

## Safe harbour

Who looks for weaknesses in good faith and keeps to this policy acts with our permission. We take no legal steps against
you for it, do not ask others to, and say that you had our permission if somebody else does. In good faith means:

- you test installations that are yours, or whose owner allowed it to you
- you stop where you meet data of others, keep no copy, and tell us
- you use a weakness only as far as it takes to show it, and leave nothing behind
- you do not overload, break or deceive: no denial of service on what others use, no phishing, no physical access
- you give us the time that is agreed to mend it

If you are not sure whether something is covered, ask first, at the same place.

## Scope

Covered: the server, the SDK, the verifier `gl-verify`, the images, the Compose bundle and the Helm chart, and the
formats of ledger and backup. Of most weight is what breaks a promise: a decision without its record, a change of a
ledger that the verifier accepts, an allow after an error, data of another organization, content or secrets in plain.

Not covered: installations of others; PostgreSQL, Redis and other software that is not ours (tell their makers, and us
if we use it wrongly); what needs root on the machine or the key-encryption key; what stands in the list of
limitations; reports of scanners without a way to use what they found.

## Supported versions

The newest minor version of each distribution gets mends. A ledger of format version 1 stays verifiable for ever.
"""
_IN_THE_REPOSITORY = """\
To the address that the operator of your installation publishes in `/.well-known/security.txt`, or through the private
report form of the place where you got this repository."""


def security_policy(contact: str | None = None) -> str:
    r"""
    Return the policy, Markdown; *contact* is the URI that reports go to.

    Without one it is the policy as it lies in the repository, which knows no installation.

    >>> "\n\nTo mailto:security@example.com\n\n" in security_policy("mailto:security@example.com")
    True
    """
    return _TEXT.format(place=_IN_THE_REPOSITORY if contact is None else f"To {contact}")
