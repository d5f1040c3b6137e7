"""
What JSON Schema can say of texts that people choose; the use cases judge them, once they are known to be short.

A pattern here admits all that a use case admits, and of ASCII nothing else. What is printable beyond ASCII
(`str.isprintable`) has no pattern that all readers of a schema know: the description says it.
"""

from typing import Annotated

from msgspec import Meta

from governlayer_server.usecases.create_organization import MAX_NAME_CHARACTERS
from governlayer_server.usecases.email_addresses import MAX_EMAIL_CHARACTERS

_END = r"(?![\s\S])"
PRINTABLE = r"^(?=.*\S)[^\x00-\x1f\x7f-\x9f]+" + _END
OrganizationName = Annotated[
    str,
    Meta(
        max_length=MAX_NAME_CHARACTERS,
        description=f"1 to {MAX_NAME_CHARACTERS} printable characters, not only spaces",
        extra_json_schema={"minLength": 1, "pattern": PRINTABLE},
    ),
]
EmailAddress = Annotated[
    str,
    Meta(
        max_length=MAX_EMAIL_CHARACTERS,
        description="an e-mail address: printable characters, no space, one @",
        extra_json_schema={
            "pattern": r"^[^@\x00-\x20\x7f-\xa0]+@[^@\x00-\x20\x7f-\xa0]+" + _END,
        },
    ),
]
