"""A process that moves days to the archive and dies at a chosen moment, as by kill -9."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta

from hoptrail_store.archive import moving, parts
from hoptrail_store.archive.moving import move_days
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from store.samples import DAY

AFTER = DAY.date() + timedelta(days=1)


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(module: object, name: str) -> None:
    setattr(module, name, die)


def _after(module: object, name: str, calls: int = 1) -> None:
    real: Callable[..., object] = getattr(module, name)
    left = [calls]

    def last(*values: object, **named: object) -> object:
        found = real(*values, **named)
        left[0] -= 1
        if not left[0]:
            die()
        return found

    setattr(module, name, last)


def _half_deleted() -> None:
    real = moving.exact_conditions

    def first_only(numbers: object, _: int) -> object:
        conditions = iter(real(numbers, 3))
        yield next(conditions)
        yield next(conditions)
        die()

    moving.exact_conditions = first_only


PHASES: dict[str, Callable[[], None]] = {
    "nothing but the intention is written down": lambda: _before(moving, "write_part"),
    "the hops are half written": lambda: _after(parts, "_marked"),
    "all files are written": lambda: _before(parts, "sync_folder"),
    "the part has its name": lambda: _after(moving, "write_part"),
    "the part counts": lambda: _before(moving, "_delete_hops"),
    "some hops are deleted": _half_deleted,
    "all hops are deleted": lambda: _after(moving, "exact_conditions"),
    "the day is moved": lambda: _after(moving, "_delete_hops"),
}


def move_and_die(settings: StoreSettings, phase: str) -> None:
    PHASES[phase]()
    with Store.open(settings) as store:
        move_days(store, "mx1", before=AFTER)
