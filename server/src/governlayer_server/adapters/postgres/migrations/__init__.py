"""Schema changes, applied by ``governlayer migrate`` and ``governlayer up``, never on requests."""
