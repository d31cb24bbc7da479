"""What all sessions of one configuration share in a worker process: the store's writer, the loop, the counters."""

import socket
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from hoptrail_milter import stamp
from hoptrail_milter.clients import Clients
from hoptrail_milter.counters import Counters
from hoptrail_milter.harvest import Harvest, Verdict
from hoptrail_milter.log import Log
from hoptrail_milter.message import Message
from hoptrail_milter.network import NetworkLoop
from hoptrail_milter.refusals import Refusals
from hoptrail_milter.relaymemory import RelayMemory
from hoptrail_milter.settings import DaemonSettings
from hoptrail_store.cache import StoreCache
from hoptrail_store.errors import StoreError
from hoptrail_store.ids import Ids
from hoptrail_store.journal import Journal
from hoptrail_store.records import MessageRecord, Score
from hoptrail_tracer.lookups import Lookups
from hoptrail_tracer.lookups.dnsbl import ZoneState
from hoptrail_tracer.model import AddressFacts, Connection
from hoptrail_tracer.sitematch import compile_site, host_list

# What a wait on another thread is given beyond that thread's own time limit, so that its own answer comes first.
MARGIN_S: Final = 1.0


class Services:
    """Built after the fork, and again for each new configuration; closed when the last of its sessions has ended."""

    def __init__(self, settings: DaemonSettings, counters: Counters, log: Log, clients: Clients | None = None) -> None:
        """Open everything that `settings` ask for; raises OSError, StoreError or ValueError where that fails.

        `clients` is what the workers share about client networks.
        """
        self.settings = settings
        self.counters = counters
        self.log = log
        self.host = settings.site.hostname or socket.getfqdn()
        self.network = NetworkLoop()
        self.scorer = None
        if settings.score.spamd:
            from hoptrail_milter.scoring import Scorer  # noqa: PLC0415 - aiospamc is needed only where mail is scored

            self.scorer = Scorer(settings.score)
        self.scored_by = host_list(settings.score.scored_by)
        self.wants_body = self.scorer is not None or bool(self.scored_by and settings.store.evidence_days)
        names = stamp.own_names(scoring=self.scorer is not None or bool(self.scored_by))
        self.own_names = {name.lower(): name for name in names}
        self.refusals = Refusals(self.host)
        self.harvest = None
        if settings.harvest.action != "off" and clients is not None:
            self.harvest = Harvest(settings.harvest, settings.site, clients)
        self.relays = RelayMemory(settings.store.path)
        self._sessions = 0
        self._journal = Journal(settings.store)
        self._cache = StoreCache(settings.store, self._journal, size=settings.lookups.cache_entries)
        self._lookups = Lookups(settings.lookups, site=settings.site, cache=self._cache)
        if settings.lookups.zones:
            self.network.submit(self._lookups.watch_zones())
        self._ids = Ids()
        self._lock = Lock()

    def acquire(self) -> None:
        """Count a session that begins."""
        with self._lock:
            self._sessions += 1
        self.counters.add("sessions")

    def release(self) -> None:
        """Count a session that has ended."""
        with self._lock:
            self._sessions -= 1
        self.counters.add("sessions", -1)

    @property
    def is_idle(self) -> bool:
        """Whether no session uses this."""
        return self._sessions == 0

    @property
    def paused_zones(self) -> tuple[ZoneState, ...]:
        """The DNS lists that are left alone now."""
        return self._lookups.paused_zones

    def judge_client(self, ip: str | None, name: str | None, port: str | None) -> Verdict:
        """Return what becomes of a client that connects to the MTA's `port`; one to be slowed has waited by then."""
        harvester = self.harvest and self.harvest.harvester(ip, name, port)
        if not self.harvest or not harvester:
            return "pass"
        self.counters.add("harvest_seen")
        verdict: Verdict = "pass" if self.settings.milter.observe_only else self.harvest.act()
        if verdict != "pass":
            self.counters.add("harvest_refused" if verdict == "refuse" else "harvest_slowed")
        self.log.seldom(
            "harvester",
            harvester.network,
            client=ip,
            network=harvester.network,
            refused=harvester.recipients.refused,
            accepted=harvester.recipients.accepted,
            verdict=verdict,
        )
        return verdict

    def new_id(self) -> str:
        """Return the next record's id."""
        with self._lock:
            return self._ids.new()

    def look_up(self, ip: str | None, budget_s: float) -> Future[AddressFacts] | None:
        """Start the look-ups about an address; None where there is none to ask about: own and private ones."""
        if ip is None or self._lookups.refusal(ip):
            return None
        return self.network.submit(self._lookups.facts(ip, budget_s))

    def await_facts(self, ip: str | None, asked: Future[AddressFacts] | None, left_s: float) -> AddressFacts | None:
        """Return what the look-ups found within the time that is left, or facts that say what is missing."""
        if ip is None or asked is None:
            return None
        try:
            facts = asked.result(left_s + MARGIN_S)
        except FutureTimeoutError:
            asked.cancel()
            facts = AddressFacts(ip, missing=(("all", "late"),))
        if any(why == "late" for _, why in facts.missing):
            self.counters.add("lookups_late")
        return facts

    def may_refuse(self, client: Connection) -> bool:
        """Whether a message may be refused for its score: not where the client would have to bounce it."""
        site = compile_site(self.settings.site)
        declared = (site.trusted, site.internal, site.msas, site.forwarders, site.lists)
        return client.port != 0 and not any(hosts.has(client.ip, client.rdns) for hosts in declared)

    def ask_score(self, message: bytes, recipients: tuple[str, ...]) -> Future[Score]:
        """Start to have a message scored."""
        from hoptrail_milter.scoring import user_for  # noqa: PLC0415 - as above

        assert self.scorer is not None
        return self.network.submit(self.scorer.score(message, user_for(self.settings.score, recipients)))

    def await_score(self, asked: Future[Score]) -> Score:
        """Return the score, or why there is none."""
        try:
            return asked.result(self.settings.score.timeout_s + MARGIN_S)
        except FutureTimeoutError:
            asked.cancel()
            return Score(unscored="timeout")

    def evidence(self, message: Message, score: Score | None) -> bytes | None:
        """Return the whole message if it is spam and the store keeps any; the store cuts it to its own limit."""
        is_kept = score is not None and score.is_spam and self.settings.store.evidence_days
        return message.whole() if is_kept else None

    def commit(self, record: MessageRecord) -> bool:
        """Keep a record; True once nothing but the machine's end can lose it. A loss is counted and logged."""
        try:
            self._journal.record(record)
        except Exception as error:  # noqa: BLE001 - whatever keeps the record from the journal, the mail flows
            self.note_loss(record.connection.id if record.connection else None, str(error))
            return False
        self.counters.add("recorded")
        return True

    def account(self, record: MessageRecord, *, brought: bool) -> None:
        """Count and log a message by what was found out about it; `brought`: its score came with it."""
        score = record.score
        if score is not None:
            self.counters.add(f"unscored_{score.unscored}" if score.unscored else "taken_over" if brought else "scored")
            if score.is_spam:
                self.counters.add("spam")
        connection, origin = record.connection, record.trace.origin
        self.log.info(
            "message",
            queue=connection.id if connection else None,
            id=record.id,
            client=connection.ip if connection else None,
            origin=origin.ip,
            trust=origin.trust,
            score=(score.unscored or score.points) if score else None,
            recipients=len(record.recipients),
            bytes=record.size_bytes,
        )

    def note_loss(self, queue: str | None, error: str) -> None:
        """Count and log that a message passed without a record: each one, since each may be asked about."""
        self.counters.add("lost")
        self.log.alert("lost", queue=queue, error=error)

    def flush_refusals(self) -> None:
        """Hand the refusals counted so far to the journal."""
        counts = self.refusals.drain(datetime.now(UTC))
        if counts:
            try:
                self._journal.count_refusals(counts)
            except StoreError as error:
                self.log.fault("refusals-lost", str(error), networks=len(counts))

    def tick(self) -> None:
        """Do what has to be done every second."""
        self._journal.tick()
        self.relays.renew()

    def close(self) -> None:
        """Write what is left and end the threads."""
        self.flush_refusals()
        with suppress(FutureTimeoutError):
            self.network.submit(self._lookups.aclose()).result(MARGIN_S)
        self.network.close()
        self._cache.close()
        self._journal.close()
        self.relays.close()
