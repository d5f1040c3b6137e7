"""
PostgreSQL and Redis inside the appliance: one data directory, two servers, one supervisor (security.md §2).

``directory`` lays out and locks the data directory, ``postgres`` and ``redis`` run one server each out of the
binaries of their wheels, ``supervisor`` starts both, brings back one that died, and stops them in order.
``account`` decides which OS user the servers run as, ``child`` starts a process that cannot outlive this one,
``leftovers`` ends what a killed predecessor left behind.
"""
