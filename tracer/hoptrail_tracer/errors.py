"""What the tracer raises. Malformed mail raises nothing: it becomes a marked hop."""


class TracerError(Exception):
    """The root of all errors of the tracer."""


class SiteError(TracerError, ValueError):
    """What a site declared cannot be read; the message names the value and says what to write instead."""
