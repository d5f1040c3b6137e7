"""A witness's memory and key, in a directory of its own."""
