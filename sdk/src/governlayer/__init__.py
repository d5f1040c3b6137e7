"""GovernLayer SDK."""
