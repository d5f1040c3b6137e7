"""Redis: short-lived shared state. Nothing in it is needed to be right, only to be quick or polite."""
