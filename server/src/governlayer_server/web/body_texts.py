"""
What JSON Schema can say of texts that people choose; the use cases judge them.

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
        description=f"1 to {MAX_NAME_CHARACTERS} printable characters, not only spaces",
        extra_json_schema={"minLength": 1, "maxLength": MAX_NAME_CHARACTERS, "pattern": PRINTABLE},
    ),
]
EmailAddress = Annotated[
    str,
    Meta(
        description="an e-mail address: printable characters, no space, one @",
        extra_json_schema={
            "maxLength": MAX_EMAIL_CHARACTERS,
            "pattern": r"^[^@\x00-\x20\x7f-\xa0]+@[^@\x00-\x20\x7f-\xa0]+" + _END,
        },
    ),
]
