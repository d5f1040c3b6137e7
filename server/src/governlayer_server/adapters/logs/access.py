"""
The access log: JSON lines on standard error, of an allow-list of fields and nothing else.

Never logged: bodies, queries, headers, keys, tokens, texts of exceptions. The path is the route's template.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import TextIO

import structlog

FIELDS = frozenset(
    {
        "event", "level", "timestamp", "request_id", "method", "route", "status", "latency_us",
        "organization_id", "key_id", "user_id", "error", "component",
    }
)  # fmt: skip


class Sink:
    """Where lines go. One that cannot be written, on a full disk say, is lost: no answer fails for its log line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write *text* if that is possible."""
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        """Pass on what was written if that is possible."""
        with suppress(OSError):
            self._file.flush()


def keep_allowed_fields(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """Return *event* with the fields of the allow-list only."""
    return {name: value for name, value in event.items() if name in FIELDS}


def configure_logs() -> None:
    """Send all logs of this process through the allow-list; other libraries' logs are dropped below warnings."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_allowed_fields,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=Sink(sys.stderr)),  # type: ignore[arg-type]  # it can write and flush
        cache_logger_on_first_use=True,
    )
    # Libraries put request data into their messages (uvicorn's access log has the query), so none of them speaks.
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar", "asyncio"):
        library = logging.getLogger(name)
        library.handlers = [logging.NullHandler()]
        library.propagate = False


def access_logger() -> Callable[..., object]:
    """Return what writes one line: ``log(event, **fields)``."""
    logger = structlog.get_logger()
    return logger.info  # type: ignore[no-any-return]  # structlog's loggers are dynamic
