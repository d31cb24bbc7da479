"""What can be wrong with the review page, as its user is told."""


class WebError(Exception):
    """The page cannot be shown as asked."""
