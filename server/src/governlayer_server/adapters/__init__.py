"""What the use cases need of the outside world: one folder per thing, each fulfils ``ports.py``."""
