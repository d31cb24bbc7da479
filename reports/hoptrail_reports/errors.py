"""What can go wrong with the reports, by what a caller can do about it."""


class ReportError(Exception):
    """Any failure of the reports; the message says what to do."""


class AlreadyRunningError(ReportError):
    """Another nightly job is at work: nothing is wrong, and nothing was done."""


class OpenDayError(ReportError):
    """The day asked for is not over yet."""


class LookupsDownError(ReportError):
    """Nothing could be looked up: the network or its resolver is down, and the next night tries again."""


class DetectorsError(ReportError):
    """Some detector could not finish; what the others found stands."""


class ClusterError(ReportError):
    """The Spark cluster is out of reach, or could not do what it was asked."""


class UnknownRelayError(ReportError):
    """No mail passed a relay of the name that was asked for."""


class CollectionError(ReportError):
    """A collection cannot be made as it was asked for."""


class UnknownCollectionError(ReportError):
    """There is no collection of the name that was asked for."""


class NoMailError(ReportError):
    """The days asked for have no mail."""
