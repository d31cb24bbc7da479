"""Origins a person wants no drafts about, for a while or for good."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlite_utils import Database

from hoptrail_reports.errors import ReportError
from hoptrail_reports.shown import shown
from hoptrail_store.assembly import moment
from hoptrail_store.rows import milliseconds
from hoptrail_store.store import Store

_WIDEST: Final = {4: 8, 6: 16}
"""Whoever wants fewer drafts than that lets through wants none: [abuse] draft."""
_REASON_MAX: Final = 500


class MuteError(ReportError):
    """What should be muted is no network, or one too wide."""


@dataclass(frozen=True, slots=True)
class Mute:
    """One muted origin: a network in CIDR form, an address as one of one host. `until` None: for good."""

    origin: str
    reason: str
    made_at: datetime
    until: datetime | None


def mute(store: Store, origin: str, *, reason: str, until: datetime | None, now: datetime) -> Mute:
    """Mute an address or network and dismiss the open drafts about it; raises MuteError.

    A network that is muted already gets the new reason and end. Its spam is still folded into cases and shown.
    """
    network = _network(origin)
    made = Mute(str(network), shown(reason, _REASON_MAX), now, until)
    with store.transaction():
        store.db.conn.execute(
            "INSERT OR REPLACE INTO abuse_mute VALUES (?, ?, ?, ?)",
            (made.origin, made.reason, milliseconds(now), milliseconds(until) if until else None),
        )
        open_drafts = store.db.conn.execute("SELECT id, ip FROM abuse_draft WHERE state IN ('draft', 'approved')")
        within = [(draft_id,) for draft_id, ip in open_drafts if ipaddress.ip_address(ip) in network]
        store.db.conn.executemany(
            "UPDATE abuse_draft SET state = 'dismissed', reason = ?, decided_ms = ? WHERE id = ?",
            [(f"muted: {made.reason}", milliseconds(now), *row) for row in within],
        )
    return made


def unmute(store: Store, origin: str) -> None:
    """Let drafts be made about a network again; raises MuteError where it is not muted."""
    with store.transaction():
        gone = store.db.conn.execute("DELETE FROM abuse_mute WHERE origin = ?", (str(_network(origin)),))
        if not gone.rowcount:
            raise MuteError(f"{origin}: not muted; `hoptrail abuse mute` lists what is")


def mutes(db: Database, now: datetime) -> list[Mute]:
    """The mutes that hold now, the newest first."""
    rows = db.query(
        "SELECT * FROM abuse_mute WHERE until_ms IS NULL OR until_ms > ? ORDER BY made_ms DESC, origin",
        (milliseconds(now),),
    )
    return [
        Mute(row["origin"], row["reason"], moment(row["made_ms"]), moment(row["until_ms"]) if row["until_ms"] else None)
        for row in rows
    ]


def _network(origin: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(origin.strip(), strict=False)
    except ValueError:
        raise MuteError(f"{shown(origin)!r} is neither an address nor a network: write 192.0.2.0/24") from None
    if network.prefixlen < _WIDEST[network.version]:
        raise MuteError(
            f"{network} is too wide, /{_WIDEST[network.version]} is the widest; "
            "to have no drafts at all set [abuse] draft = false"
        )
    return network
