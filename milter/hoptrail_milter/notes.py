"""What each worker process has to say in words, in shared memory: the lists it leaves alone, for `hoptrail status`.

A worker writes its own note only, and whoever reads takes a note that is half written for none.
"""

import json
import mmap
import struct
from typing import Any, Final

NOTE_BYTES: Final = 16_384  # 24 lists for two IP versions, each with a reason of some hundred characters
_LENGTH: Final = struct.Struct("<I")


class Note:
    """One worker's note."""

    def __init__(self, cells: memoryview) -> None:
        """Take the note's bytes."""
        self._cells = cells
        self._text = b""

    def write(self, value: object) -> None:
        """Replace what stands there by a value that JSON can hold; one that is too long is left out."""
        text = json.dumps(value).encode()
        if text == self._text or len(text) > NOTE_BYTES - _LENGTH.size:
            return
        _LENGTH.pack_into(self._cells, 0, 0)
        self._cells[_LENGTH.size : _LENGTH.size + len(text)] = text
        _LENGTH.pack_into(self._cells, 0, len(text))
        self._text = text

    def read(self) -> Any:  # noqa: ANN401 - whatever was written
        """Return what was written last, None where there is nothing or it is being written."""
        (length,) = _LENGTH.unpack_from(self._cells)
        try:
            return json.loads(bytes(self._cells[_LENGTH.size : _LENGTH.size + length]))
        except ValueError:
            return None


class Notes:
    """The notes of all workers, made by the parent before it forks."""

    def __init__(self, workers: int) -> None:
        """Map anonymous memory that children inherit."""
        cells = memoryview(mmap.mmap(-1, workers * NOTE_BYTES))
        self._notes = [Note(cells[start : start + NOTE_BYTES]) for start in range(0, workers * NOTE_BYTES, NOTE_BYTES)]

    def worker(self, number: int) -> Note:
        """Return the note of worker `number`."""
        return self._notes[number]

    def read(self) -> list[Any]:
        """Return what each worker wrote that wrote anything."""
        return [value for value in (note.read() for note in self._notes) if value is not None]
