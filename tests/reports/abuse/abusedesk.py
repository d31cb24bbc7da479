"""An abuse desk for tests: a store with drafts, a configuration beside it, and the command run on both."""

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner, Result

from hoptrail.commands import abuse
from hoptrail_reports.abuse import ledger
from hoptrail_reports.abuse.drafts import draft_day
from hoptrail_reports.abuse.ledger import Draft
from hoptrail_reports.abuse.settings import AbuseSettings
from hoptrail_store.settings import StoreSettings
from hoptrail_store.store import Store
from hoptrail_tracer.model import Contact, ContactAnswer
from reports.abuse.spam import SITE, spam

HOPTRAIL = Path(sys.executable).with_name("hoptrail")


@dataclass
class AbuseDesk:
    """`abuse` holds lines for the section [abuse]; days and times are near the clock's, as sending wants them."""

    folder: Path
    abuse: str = ""
    store: str = ""  # where it is not in the folder

    @property
    def settings(self) -> StoreSettings:
        return StoreSettings(path=self.store or str(self.folder / "store.sqlite"))

    @property
    def config(self) -> Path:
        path = self.folder / "hoptrail.toml"
        path.write_text(
            f'[store]\npath = "{self.settings.path}"\n[site]\nhostname = "mx.example.org"\ndomains = ["example.org"]\n'
            f'[abuse]\nreporter = "reports@example.test"\n{self.abuse}\n'
        )
        return path

    def open(self) -> Store:
        return Store.open(self.settings)

    def night(self, *records, contact="abuse@isp.example.com", settings=AbuseSettings(), now=None):  # noqa: B008 - frozen
        """Draft about spam of the last hours, as if its day were over."""

        async def desk(ip: str) -> ContactAnswer:
            address = contact(ip) if callable(contact) else contact
            return ContactAnswer(ip, "found", (Contact(address, "rdap", 0.9, "12.0.0.0/8", "ISP"),))

        now = now or datetime.now(UTC)
        days = {record.received_at.date() for record in records} or {now.date()}
        with self.open() as store:
            store.put(records)
            for day in days:
                asyncio.run(draft_day(day, store, site=SITE, settings=settings, contact=desk, now=now))

    def drafts(self, *sources: str, **options) -> list[str]:
        """Draft about one spam of each source, and return the ids in that order."""
        self.night(*(recent_spam(ip) for ip in sources), **options)
        with self.open() as store:
            by_ip = {draft.report.facts.ip: draft.id for draft in ledger.drafts(store.db)}
        return [by_ip[ip] for ip in sources]

    def draft(self, draft_id: str) -> Draft:
        with self.open() as store:
            return ledger.draft(store.db, draft_id)

    def states(self) -> dict[str, str]:
        with self.open() as store:
            return {draft.id: draft.state for draft in ledger.drafts(store.db)}

    def run(self, name: str, *arguments: str, stdin: bytes = b"", code: int = 0) -> Result:
        given = [name, "--config", str(self.config), *arguments]
        done = CliRunner().invoke(abuse.command, given, input=stdin, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done

    def json(self, name: str, *arguments: str) -> dict:
        return json.loads(self.run(name, "--json", *arguments).output)

    def process(self, name: str, *arguments: str, before: str = "") -> subprocess.Popen:
        """The command as a process of its own, to be killed; `before` is Python that runs first."""
        program = f"from hoptrail.main import main\n{before}\nmain()"
        command = [sys.executable, "-c", program, "abuse", name, "--config", str(self.config), *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def recent_spam(ip: str, *, hours: float = 2, **changes):
    return spam(ip, rdns=None, at=datetime.now(UTC) - timedelta(hours=hours), **changes)
