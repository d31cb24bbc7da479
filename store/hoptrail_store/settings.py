"""Where the store lies and how long it keeps what."""

from dataclasses import dataclass
from typing import Literal

from hoptrail_tracer.options import option

EVIDENCE_MAX_BYTES = 16_777_216  # no draft can show more, and a reader unpacks it at once


def _check_whole(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError("write the whole path, from / on: the milter and the nightly job are started elsewhere")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """[store]: the SQLite file of this host."""

    path: str = option(
        "/var/lib/hoptrail/store.sqlite", "The store's file. Its directory must be writable.", check=_check_whole
    )
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
        "How long is waited for the store's lock before a command fails; mail never waits for it.",
        at_least=0.1,
        at_most=60,
    )
    journal_max_bytes: int = option(
        1_073_741_824,
        "How much may wait in the folder beside the store, its name with `.journal`, while the store cannot be "
        "written: some 200,000 messages. Beyond that, messages pass without a record, and each is logged.",
        at_least=1_048_576,
    )
    archive: str = option(
        "",
        "A folder for the hops of closed days, in Parquet; the hosts of a fleet may share it. Empty: they stay in the "
        "store's file.",
    )
    archive_after_days: int = option(
        1, "Days after its end that a day moves to the archive, in the nightly job.", at_least=1, at_most=400
    )
    archive_keep_days: int = option(
        0, "Days after which this host's days are deleted from the archive; 0 keeps them for ever.", at_least=0
    )
    hash_local_parts: Literal["never", "later", "at-once"] = option(
        "never",
        "Whether the part before the @ in addresses of people is replaced by a keyed hash: before it is stored "
        "('at-once') or in the night when `anonymise_days` are over ('later'). docs/privacy.md says what else goes, "
        "and what stops working.",
    )
    hash_key_file: str = option(
        "/etc/hoptrail/hash.key",
        "The file with the key of that hash, 16 bytes or more; only used with `hash_local_parts`. Whoever has it can "
        "find out whether an address is in the store; without it nothing is stored.",
    )
    truncate_addresses: Literal["never", "later", "at-once"] = option(
        "never",
        "Whether addresses of hosts are cut to their network, /24 or /48, and names that spell them out: before they "
        "are stored ('at-once') or in the night when `anonymise_days` are over ('later'). Where anything is hidden at "
        "once, no abuse reports are drafted.",
    )
    anonymise_days: int = option(
        30,
        "Days after which 'later' is. A week at least, since drafts are made of what is younger.",
        at_least=7,
        at_most=36_500,
    )
    sync: Literal["commit", "checkpoint"] = option(
        "checkpoint",
        "When the disk is waited for. 'checkpoint': no record is lost when processes are killed; when the power fails, "
        "those of the last seconds may be. 'commit': not even then, for a wait that messages of one moment share.",
    )

    @property
    def anonymises_at_once(self) -> bool:
        """Whether something is hidden before it is stored: then there is no evidence, and nothing to draft from."""
        return "at-once" in {self.hash_local_parts, self.truncate_addresses}
