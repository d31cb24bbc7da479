"""A chain of header fields in, an origin with its reasons out; and the look-ups about an address.

`received`, `chain`, `trust` and what they import need the standard library only and do no I/O.
"""
