"""What can go wrong with the embedded servers. Every text says what to do next and holds no secret."""

from governlayer_server.domain.errors import GovernLayerError


class EmbeddedError(GovernLayerError):
    """Base of all errors of the embedded PostgreSQL and Redis."""

    code = "embedded"


class AlreadyRunningError(EmbeddedError):
    """Another process holds the data directory. Nothing was started or changed."""

    code = "embedded_already_running"


class UnsafeDirectoryError(EmbeddedError):
    """The data directory, or a file in it, has the wrong owner, mode or kind. Nothing was read from it."""

    code = "embedded_unsafe_directory"


class StartError(EmbeddedError):
    """A server could not be started; what was started of it has been stopped. The data is as it was."""

    code = "embedded_start"
