"""Kubernetes' own schemas, strict: an unknown field or a wrong type is an error."""

import functools
from typing import Any

import kubernetes_validate
from kubernetes_validate import utils

# The oldest and the newest Kubernetes that the chart supports.
OLDEST, NEWEST = "1.27", "1.37"
# Each schema is read once, not for each object.
utils.schema_contents = functools.cache(utils.schema_contents)


class NoSchema(Exception):
    """The kind is not one of Kubernetes' own."""


def schema_error(manifest: dict[str, Any], version: str) -> str | None:
    """Return what is wrong with an object for a version of Kubernetes, with its place, or nothing. Else ``NoSchema``."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError as unknown:
        raise NoSchema(unknown.message) from unknown
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(str(step) for step in error.absolute_path)}: {error.message}"
    return None
