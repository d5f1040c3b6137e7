"""What the appliance keeps of whom, why and for how long, as a file that people read and complete."""

from importlib.resources import files

TEXT = (files(__name__) / "inventory.toml").read_text(encoding="utf-8")
