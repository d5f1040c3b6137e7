"""
The writer's half of ledger-v1: what bytes a record has, what hashes they give, what is signed.

Everything here is a function of values. The reader's half is another distribution and shares no code, so that
a mistake made here is not repeated by its judge (docs/adr/0002).
"""
