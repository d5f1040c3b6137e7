"""Row level security, as connections to primary and standbys have it: whose rows are seen, and who is not bound."""

SET_TENANT = "SELECT set_config('governlayer.tenant', $1, true)"
"""Names the tenant for the rest of the transaction."""

UNBOUND = """
SELECT rolsuper OR rolbypassrls OR EXISTS (
    SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND pg_has_role(current_user, relowner, 'MEMBER'))
FROM pg_roles WHERE rolname = current_user
"""
"""Tells whether the connected role is one that row level security does not bind."""
