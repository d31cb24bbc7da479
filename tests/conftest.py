"""What tests of every part share: a missing testbed said once and clearly, and services that are dear to start."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.places import ROOT, SENDMAIL_ROOT, private_folder
from testbed.spamd import Spamd

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse to run tests of real programs, rather than to skip them, where `make setup` has not been."""
    wanting = [item for item in items if item.get_closest_marker("mta") or item.get_closest_marker("services")]
    missing = [str(root) for root in (ROOT, SENDMAIL_ROOT) if not root.exists()]
    if wanting and missing:
        raise pytest.UsageError(f"{' and '.join(missing)} not there: run `make setup`")


@pytest.fixture(scope="session")
def spamd() -> Iterator[Spamd]:
    """One spamd on a unix socket for all tests; one that is to be stopped or slowed is started by its test."""
    with Spamd() as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    """One Chromium for a module. Its driver keeps the thread's event loop, so no module may share it with others."""
    from testbed.browser import chromium  # noqa: PLC0415 - only who looks at pages needs the library

    with chromium() as running:
        yield running


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder for a milter's socket: short, and such as Postfix and Sendmail accept."""
    with private_folder("milter") as folder:
        yield folder
