"""What an X-Spam-Status field says, as SpamAssassin writes it."""

import re

from hoptrail_store.records import Score

_SCORE = re.compile(r"(?:score|hits)=(-?[\d.]+)\s+required=(-?[\d.]+)(?:\s+tests=([A-Z0-9_,\s]*))?")
_BYTES_MAX = 16_384
_RULES_MAX = 256


def parse_spam_status(value: str) -> Score | None:
    """Return the score in a field's value, None where it holds none. Anybody could have written the field."""
    found = _SCORE.search(value[:_BYTES_MAX])
    if found is None:
        return None
    rules = [rule for rule in re.split(r"[,\s]+", found[3] or "") if rule and rule != "none"]
    try:
        return Score(float(found[1]), float(found[2]), tuple(rules[:_RULES_MAX]))
    except ValueError:  # "1.2.3"
        return None
