"""All that the processes share in memory. The parent makes it before it forks; each worker has a seat."""

from dataclasses import dataclass

from hoptrail_milter.clients import Clients
from hoptrail_milter.counters import Board, Counters
from hoptrail_milter.notes import Note, Notes


@dataclass(frozen=True, slots=True)
class Seat:
    """What one worker writes."""

    counters: Counters
    note: Note
    clients: Clients


class Shared:
    """The memory of all workers, and the counters of the recorder and of the parent after theirs."""

    def __init__(self, workers: int) -> None:
        """Map it."""
        self._workers = workers
        self.board = Board(workers + 2)
        self.notes = Notes(workers)
        self.clients = Clients(workers)

    def sit(self, number: int) -> Seat:
        """Return the place of worker `number`, to be called in its own process."""
        self.clients.become(number)
        note = self.notes.worker(number)
        note.write(None)
        return Seat(self.board.worker(number), note, self.clients)

    def recorder(self) -> Counters:
        """Return the counters of the recorder, to be called in its own process."""
        return self.board.worker(self._workers)

    def parent(self) -> Counters:
        """Return the counters of the parent itself."""
        return self.board.worker(self._workers + 1)
