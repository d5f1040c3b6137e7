"""Policy files: read, parsed, and named in every fault."""

from pathlib import Path

from governlayer_server.adapters.cedar.engine import ParsedPolicies, parse_policies
from governlayer_server.domain.errors import PolicyError
from governlayer_server.policies import SCHEMA


def read_policies(path: Path) -> ParsedPolicies:
    """
    Return the policies in the file *path*.

    Raises:
        PolicyError: it cannot be read, is not UTF-8, or ``parse_policies`` refuses it; the message names the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path} is not UTF-8 (byte {error.start})") from None
    try:
        return parse_policies(text, SCHEMA)
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None
