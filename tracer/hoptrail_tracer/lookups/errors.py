"""What may go wrong in a look-up. None of these leaves `Lookups`: they become `missing`, a verdict or a state."""

from hoptrail_tracer.errors import TracerError


class LookupsError(TracerError):
    """A look-up did not work, or may not be made; the message is a sentence for a person."""


class TemporaryError(LookupsError):
    """It may work later: a timeout, a refused connection, a server that asks to wait."""


class MalformedAnswerError(LookupsError):
    """An answer came that is not what the protocol promises, or is beyond its bounds."""


class RefusedError(LookupsError):
    """Asking would break a rule of safety: a host that is not on the list, an address that is not public."""
