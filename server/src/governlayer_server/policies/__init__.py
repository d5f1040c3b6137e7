"""The policy set that ships with the appliance, as files that people read and change."""

from importlib.resources import files

DEFAULT = (files(__name__) / "default.cedar").read_text(encoding="utf-8")
SCHEMA = (files(__name__) / "schema.cedarschema").read_text(encoding="utf-8")
