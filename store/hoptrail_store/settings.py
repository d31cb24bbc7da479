"""Where the store lies and how long it keeps what."""

from dataclasses import dataclass
from typing import Literal

from hoptrail_tracer.options import option

EVIDENCE_MAX_BYTES = 16_777_216  # no draft can show more, and a reader unpacks it at once


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """[store]: the SQLite file of this host."""

    path: str = option("/var/lib/hoptrail/store.sqlite", "The store's file. Its directory must be writable.")
    keep_days: int = option(
        400,
        "Days after which the record of a message that passed the milter is deleted; 0 keeps for ever. Imported "
        "messages stay.",
        at_least=0,
    )
    evidence_days: int = option(
        7,
        "Days for which a spam message is kept whole, as evidence for a report; 0 keeps none.",
        at_least=0,
    )
    evidence_max_bytes: int = option(
        262_144,
        "A longer message is kept as evidence only up to this size.",
        at_least=4_096,
        at_most=EVIDENCE_MAX_BYTES,
    )
    lock_wait_s: float = option(
        5.0,
        "How long a writer waits for the store's lock before it counts a loss.",
        at_least=0.1,
        at_most=60,
    )
    sync: Literal["commit", "checkpoint"] = option(
        "checkpoint",
        "When the disk is waited for. 'checkpoint': no record is lost when processes are killed; when the power fails, "
        "those of the last seconds may be. 'commit': not even then, for one wait a group of messages.",
    )
