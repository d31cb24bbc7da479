"""The return path of a report: an address of its own, whose tag nobody can guess, so that what comes back is matched.

VERP after D. J. Bernstein, `bounces+ID-TAG@example.org` or `bounces-ID-TAG@example.org`; the tag is an HMAC of the id,
as in BATV and prvs.
"""

import base64
import hmac
import os
import re
from typing import Final

from sqlite_utils import Database

from hoptrail_reports.errors import ReportError
from hoptrail_store.store import Store

_TAG_BYTES: Final = 10  # 80 bits, 16 characters: a guess a millisecond takes longer than mail has existed
_LOCAL_MAX: Final = 64  # RFC 5321 section 4.5.3.1.1
_TAGGED = re.compile(r"[+-]([0-9]{8}-[0-9a-f]{4,32})-([a-z2-7]{16})@", re.IGNORECASE)


class ReturnPathError(ReportError):
    """The configured address leaves no room for a tag."""


def put_key(store: Store) -> bytes:
    """The store's key, made where there is none."""
    with store.transaction():
        store.db.conn.execute(
            "INSERT INTO abuse_key SELECT ? WHERE NOT EXISTS (SELECT 1 FROM abuse_key)", (os.urandom(32),)
        )
    key = stored_key(store.db)
    assert key is not None
    return key


def stored_key(db: Database) -> bytes | None:
    """The store's key; None where no report was ever sent."""
    row = db.execute("SELECT key FROM abuse_key").fetchone()
    return bytes(row[0]) if row else None


def return_path(base: str, draft_id: str, key: bytes, *, separator: str = "+") -> str:
    """The envelope sender of one report; raises ReturnPathError."""
    local, _, domain = base.rpartition("@")
    tagged = f"{local}{separator}{draft_id}-{_tag(draft_id, key)}"
    if len(tagged) > _LOCAL_MAX:
        most = _LOCAL_MAX - (len(tagged) - len(local))
        raise ReturnPathError(f"{base}: too long for a tag; set [abuse] bounce_address, at most {most} before its '@'")
    return f"{tagged}@{domain}"


def tagged_ids(text: str, key: bytes) -> list[str]:
    """The ids of the reports whose return paths stand in a text, each proven by its tag."""
    found = ((match[1].lower(), match[2].lower()) for match in _TAGGED.finditer(text))
    return [draft_id for draft_id, tag in found if hmac.compare_digest(tag, _tag(draft_id, key))]


def _tag(draft_id: str, key: bytes) -> str:
    digest = hmac.digest(key, b"hoptrail return path " + draft_id.encode(), "sha256")
    return base64.b32encode(digest[:_TAG_BYTES]).decode().lower()
