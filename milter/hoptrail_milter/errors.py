"""The root of what the milter's callers may have to say to a person."""


class MilterError(Exception):
    """The daemon cannot start; the message says why and what to do."""
