"""A key-encryption key that is at hand."""

from governlayer_server.adapters.key_providers.plain import PlainKeys
from governlayer_server.adapters.key_providers.texts import KeyText, spell_key


def given_keys(*keys: bytes) -> PlainKeys:
    """A provider of *keys*, the current one first."""
    return PlainKeys("given", lambda: [KeyText(place="the test", text=spell_key(key)) for key in keys])
