"""A spam's whole way: through Postfix and the milter, the night, a person's word, a report, and what comes back."""

import smtplib
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest

from hoptrail_reports.nightly import NightlySettings, run
from hoptrail_reports.settings import AbuseSettings, ReportSettings
from hoptrail_tracer.lookups.settings import LookupSettings
from hoptrail_tracer.settings import SiteSettings
from reports.abuse.abusedesk import HOPTRAIL, AbuseDesk
from reports.night_samples import Silent
from testbed import procmail
from testbed.daemon import HOST, delivered, running_daemon, send
from testbed.places import TOP, private_folder
from testbed.postfix import Postfix

pytestmark = [pytest.mark.mta, pytest.mark.services]

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
SPAMMERS = ("67.168.191.41", "67.168.191.42", "67.168.191.43")
ANSWERED, GONE, MISSED = SPAMMERS
MAIN = """
mydestination = $myhostname, example.test, localhost, isp.example.com
recipient_delimiter = +
local_recipient_maps = static:all
"""


CLAIMED = (
    b"Received:  from a (b.example [203.0.113.9])\r\n\tby mail.bank.example\r\n   with SMTP id 1;"
    b" Fri, 20 Nov 2026 11:59:00 +0000 \r\n"
)


class Site:
    """One host: its MTA with the milter, its store, the person at the desk."""

    def __init__(self, mta, daemon, folder):
        self.mta, self.daemon, self.folder = mta, daemon, folder
        contacts = folder / "contacts"
        contacts.write_text("".join(f"{ip}/32 desk{n}@isp.example.com\n" for n, ip in enumerate(SPAMMERS)))
        self.desk = AbuseDesk(
            folder,
            f'smarthost = "127.0.0.1:{mta.port}"\ncontacts_file = "{contacts}"',
            store=daemon.settings.store.path,
        )

    def takes(self, ip: str, body: bytes, subject: bytes) -> bytes:
        """Mail for alice from somebody out in the world, as it lies in her mailbox."""
        with self.mta.smtp() as smtp:
            smtp.ehlo("mail.bank.example")
            smtp.docmd(f"XCLIENT ADDR={ip} NAME=[UNAVAILABLE] HELO=mail.bank.example")
            smtp.ehlo("mail.bank.example")
            sent = send(smtp, b"Subject: " + subject + b"\r\n" + CLAIMED, body)
        assert sent.code == 250
        return delivered(self.mta, sent)

    def night(self):
        settings = NightlySettings(
            site=SiteSettings(hostname=HOST, domains=("example.test",)),
            lookups=LookupSettings(nameservers=("127.0.0.1@9",), rdap=False, abusix=False, whois=False),
            store=self.daemon.settings.store,
            reports=ReportSettings(directory=str(self.folder / "reports")),
            abuse=AbuseSettings(contacts_file=str(self.folder / "contacts")),
        )
        now = datetime.now(UTC)
        done = run(settings, now.date(), progress=Silent(), now=now + timedelta(days=1))
        assert not done.report.failed_steps
        return done

    def abuse(self, name, *arguments) -> str:
        return self.desk.run(name, *arguments).output

    def mailbox(self, recipe: str, mail: bytes) -> list[str]:
        """Deliver a mail by a recipe of ours; the folders that it ended in."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        rc = f'HOPTRAIL="{HOPTRAIL}"\nHOPTRAIL_CONFIG="{self.desk.config}"\nINCLUDERC={TOP}/procmail/{recipe}'
        return [path.parent.parent.name for path in procmail.deliver(mail, rc, home)]


@pytest.fixture(scope="module")
def site(spamd):
    score = {"spamd": f"unix:{spamd.socket}"}
    with (
        private_folder("desk") as folder,
        running_daemon(score=score) as daemon,
        Postfix(milters=[daemon.socket], main=MAIN, users=("alice", "reports", "desk0")) as mta,
    ):
        made = Site(mta, daemon, folder)
        yield made


def test_spam_is_reported_once_and_what_comes_back_is_known(site):
    for ip in (ANSWERED, GONE):
        site.takes(ip, GTUBE, b"Cheap pills")
    missed = site.takes(MISSED, b"Buy our watches\r\n", b"Nice watches")
    assert site.mailbox("spam-report.rc", forwarded(missed)) == [".Marked"]
    assert site.mailbox("spam-report.rc", b"Subject: lunch?\r\n\r\nx\r\n") == ["Inbox"]

    site.night()
    listed = site.abuse("list")
    assert all(ip in listed for ip in SPAMMERS)
    ids = [line.split()[0] for line in listed.splitlines() if "isp.example.com" in line]
    [watches] = [line.split()[0] for line in listed.splitlines() if MISSED in line]
    assert "Buy our watches" in site.abuse("show", watches), "the copy that alice handed in"
    site.abuse("approve", *ids)
    assert "3 sent" in site.abuse("send")

    [report] = site.mta.wait_for_mail("desk0")
    mail = message_from_bytes(report)
    assert ANSWERED.encode() in report
    assert b"alice@example.test" not in report
    assert mail["Return-Path"].startswith("<reports+")

    bounces = site.mta.wait_for_mail("reports", 2)  # desk1 and desk2 are nobody
    assert [site.mailbox("answers.rc", bounce) for bounce in bounces] == [[".Abuse"], [".Abuse"]]
    remembered = site.abuse("contact")
    assert "desk1@isp.example.com" in remembered
    assert "5.1.1" in remembered

    reply(site.mta, mail)
    answer = site.mta.wait_for_mail("reports", 3)[-1]
    assert site.mailbox("answers.rc", answer) == [".Abuse"]
    assert site.mailbox("answers.rc", b"Subject: lunch?\r\n\r\nx\r\n") == ["Inbox"]
    stats = site.abuse("stats")
    assert "Sent:           3" in stats
    assert "Bounced:        2 (67%)" in stats
    assert "Answered:       1 by a person" in stats
    assert "Nothing to send." in site.abuse("send")


def forwarded(mail: bytes) -> bytes:
    head = b'From: alice@example.test\nTo: spam@example.test\nContent-Type: multipart/mixed; boundary="f"\n\n'
    return head + b"--f\n\nspam\n--f\nContent-Type: message/rfc822\n\n" + mail + b"\n--f--\n"


def reply(mta, report) -> None:
    lines = [
        "From: Desk <desk0@isp.example.com>",
        f"To: {report['Reply-To']}",
        f"Subject: Re: {report['Subject']}",
        f"In-Reply-To: {report['Message-ID']}",
        "Message-ID: <thanks@isp.example.com>",
        "",
        "Thank you, the host is off.",
        "",
    ]
    with smtplib.SMTP("127.0.0.1", mta.port, timeout=60) as smtp:
        smtp.sendmail("desk0@isp.example.com", [report["Reply-To"]], "\r\n".join(lines))
