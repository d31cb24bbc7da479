"""The store's dictionary: ids of texts that come again and again."""

import sqlite3

TEXT_MAX = 255  # characters: a domain name has no more
_REMEMBERED_MAX = 100_000  # about 15 MB a writer; spam brings new names without end


class Names:
    """Ids of table `name` for one connection, remembered between its transactions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Begin with nothing remembered."""
        self._connection = connection
        self._ids: dict[str, int] = {}
        self._epoch: int | None = None

    def begin(self) -> None:
        """Forget the ids where rows were deleted since; call it first in each transaction."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'name_epoch'").fetchone()
        epoch = row[0] if row else 0
        if epoch != self._epoch or len(self._ids) > _REMEMBERED_MAX:
            self._ids.clear()
            self._epoch = epoch

    def forget(self) -> None:
        """Forget all, since a transaction was rolled back."""
        self._ids.clear()

    def id(self, text: str | None) -> int | None:
        """Return the id of a text, which is added where it is new; None for None and for the empty text."""
        if not text:
            return None
        found = self._ids.get(text)
        if found is None:
            found = self._ids[text] = self._read(text)
        return found

    def _read(self, text: str) -> int:
        text = text[:TEXT_MAX]
        row = self._connection.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()
        row = row or self._connection.execute("INSERT INTO name (text) VALUES (?) RETURNING id", (text,)).fetchone()
        return int(row[0])
