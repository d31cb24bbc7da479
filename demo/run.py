"""`make demo`: a dozen messages through a private Postfix with Hoptrail beside it, and what comes of them.

Everything runs on loopback from unpacked packages, below /run, and is stopped at the end whatever happens. Only
demo-output/, or the folder named as the argument, stays: the configuration, the store, the mail as filed and the
night's pages. The exit code is 1 where a step did not do what it says.
"""

import re
import shutil
import signal
import smtplib
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from post import OK, send, subject_line
from rich.text import Text
from stage import HOPTRAIL, DemoError, Stage, table
from world import LETTERS, LISTS, SPAMD_RULES, SPAMMER, dns_records, registry_answer

from testbed.dnsservers import Rbldnsd, Unbound
from testbed.mta import PROCMAIL
from testbed.places import ROOT, TOP, TestbedError, wait_for
from testbed.postfix import Postfix
from testbed.registry import RdapServer, Reply
from testbed.service import Service
from testbed.spamd import Spamd

OUTPUT = TOP / "demo-output"
SHOWN = "03-relayed.eml"
SPAM = "06-spam.eml"

TOML = """\
# The demo's configuration; contrib/hoptrail.toml explains every option.
[site]
hostname = "mx.example.test"
domains = ["example.test"]
networks = ["192.0.2.0/24"]  # our other relays; mail.voxmail.com.br plays one of them

[lookups]
nameservers = ["{resolver}"]
zones = ["{zones}"]
cymru = true
abusix = false
whois = false
rdap_test_servers = ["{registry}"]
test_networks = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]

[store]
path = "{output}/store.sqlite"

[milter]
socket = "unix:{socket}"
status = "unix:{status}"
workers = 2

[score]
spamd = "unix:{spamd}"

[reports]
directory = "{output}/reports"
"""

PROCMAILRC = """\
MAILDIR = $HOME/Maildir
DEFAULT = $MAILDIR/
HOPTRAIL_RECIPES = {recipes}
INCLUDERC = $HOPTRAIL_RECIPES/hoptrail.rc
"""


class Demo:
    """The steps, in order, and the services that they share."""

    def __init__(self, stage: Stage, stack: ExitStack, output: Path) -> None:
        self.stage = stage
        self.stack = stack
        self.output = output
        self.config = output / "hoptrail.toml"

    def run(self) -> None:
        """Do every step. Raises DemoError or TestbedError at the first that fails."""
        self.start_the_world()
        self.start_postfix()
        self.start_hoptrail()
        self.send_letters()
        self.show_fields()
        self.trace_the_spam()
        self.show_the_store()
        self.show_folders()
        self.spend_the_night()
        self.list_drafts()

    def start_the_world(self) -> None:
        self.stage.step(
            "A small world on loopback",
            "Name servers, DNS lists and a registry that know the clients of this demo. No question leaves this host.",
        )
        lists = self.stack.enter_context(Rbldnsd(LISTS))
        stubs = dict.fromkeys(LISTS, lists.port)
        self.resolver = self.stack.enter_context(Unbound(list(dns_records()), stubs=stubs))
        answer = Reply(200, registry_answer(), {"Content-Type": "application/rdap+json"})
        self.registry = self.stack.enter_context(RdapServer({f"/ip/{SPAMMER}": answer}))
        self.spamd = self.stack.enter_context(Spamd(local_cf=SPAMD_RULES))
        self.stage.done(f"rbldnsd with {len(LISTS)} lists, unbound in front of it, an RDAP server, spamd -L")

    def start_postfix(self) -> None:
        self.stage.step(
            "A private Postfix, chrooted as Debian does it",
            "Its lines for Hoptrail are those of contrib/postfix/; procmail delivers, with the recipes of procmail/.",
        )
        ours = (TOP / "contrib/postfix/main.cf.hoptrail").read_text(encoding="utf-8")
        main = f'{ours}\nmailbox_command = {PROCMAIL} -a "$EXTENSION"\n'
        self.mta = self.stack.enter_context(Postfix(main=main, chroot=True, tls=True))
        self.home = self.mta.machine.home("alice")
        recipes = shutil.copytree(TOP / "procmail", self.mta.folder / "recipes")
        (self.home / ".procmailrc").write_text(PROCMAILRC.format(recipes=recipes), encoding="utf-8")
        self.mta.machine.own(self.home, "alice")
        self.stage.done(f"it takes mail on port {self.mta.port}, and from its users on {self.mta.submission_port}")

    def start_hoptrail(self) -> None:
        self.stage.step("Hoptrail's milter beside it")
        folder = self.mta.queue / "hoptrail"
        folder.mkdir()
        self.mta.machine.own(folder, "postfix")
        folder.chmod(0o2750)
        settings = TOML.format(
            resolver=self.resolver.address,
            zones='", "'.join(LISTS),
            registry=self.registry.base,
            output=self.output,
            socket=folder / "milter.sock",
            status=self.mta.folder / "status.sock",
            spamd=self.spamd.socket,
        )
        self.config.write_text(settings, encoding="utf-8")
        self.stage.hoptrail("config", "check", self.config)
        self.stage.show_command("milter", "--config", self.config, background=True)
        self.milter = Service([HOPTRAIL, "milter", "--config", self.config], log=self.output / "milter.log")
        self.stack.callback(self.milter.stop)
        self.milter.wait_until((folder / "milter.sock").exists, "the milter's socket")
        self.stage.done("it listens on a unix socket in Postfix's queue directory")

    def send_letters(self) -> None:
        self.stage.step("A dozen messages by SMTP", "With XCLIENT each comes from a client of its own.")
        rows = table("message", "what it is", "client", "queue id", "refused")
        now = datetime.now(UTC)
        for letter in LETTERS:
            code, text, refused = send(self.mta, letter, now)
            if code != OK:
                raise DemoError(f"Postfix did not take {letter.file}: {code} {text}")
            rows.add_row(letter.file, letter.about, letter.client.ip, text.split()[-1], str(refused or ""))
        self.stage.console.print(rows)
        wait_for(lambda: len(self.delivered()) == len(LETTERS), "the last delivery", log=self.mta.machine.log)
        self.stage.done(f"{len(LETTERS)} messages taken and delivered")

    def delivered(self) -> dict[str, Path]:
        """Where each letter lies in alice's mail, by the name of its file."""
        mails = [(path, path.read_bytes()) for path in self.home.rglob("new/*")]
        return {
            letter.file: path
            for letter in LETTERS
            for path, mail in mails
            if subject_line(letter) in mail.partition(b"\n\n")[0]
        }

    def show_fields(self) -> None:
        self.stage.step("What the milter wrote", f"The header of {SHOWN} as delivered; the new fields are green.")
        header = self.delivered()[SHOWN].read_text(encoding="utf-8").partition("\n\n")[0]
        fields = re.split(r"\n(?=\S)", header)
        new = [field for field in fields if field.startswith(("X-Hoptrail-", "X-Spam-"))]
        for field in fields:
            self.stage.console.print(Text(field, style="green" if field in new else "dim"), soft_wrap=True)
        wanted = {"X-Hoptrail-Origin", "X-Hoptrail-Path", "X-Hoptrail-DNSBL", "X-Hoptrail-Id", "X-Spam-Status"}
        self.stage.check(wanted <= {field.partition(":")[0] for field in new}, f"{len(new)} new fields")

    def trace_the_spam(self) -> None:
        self.stage.step("Where the lab's spam came from", "It called itself smtp0391.mail.yahoo.com.")
        kept = shutil.copy(self.delivered()[SPAM], self.output / SPAM)
        self.stage.hoptrail("trace", "--config", self.config, kept)
        origin = re.search(r"^X-Hoptrail-Origin:[^=]*; ip=([^;\s]+)", kept.read_text(encoding="utf-8"), re.MULTILINE)
        self.stage.check(origin and origin[1] == SPAMMER, f"the milter said so when it passed: ip={SPAMMER}")

    def show_the_store(self) -> None:
        self.stage.step("What is in the store")
        self.stage.hoptrail("status", "--config", self.config)

    def show_folders(self) -> None:
        self.stage.step("Where procmail put each message")
        rows = table("folder", "message", "what it is")
        mails = self.home / "Maildir"
        delivered = self.delivered()
        for letter in sorted(LETTERS, key=lambda letter: letter.folder):
            folder = delivered[letter.file].parents[1]
            rows.add_row("inbox" if folder == mails else folder.name, letter.file, letter.about)
            expected = mails / datetime.now(UTC).strftime(letter.folder)
            if folder != expected:
                raise DemoError(f"{letter.file} is in {folder}, not in {expected}")
        self.stage.console.print(rows)
        shutil.copytree(mails, self.output / "mail")
        self.stage.done("each where its recipe says")

    def spend_the_night(self) -> None:
        self.stage.step(
            "The night",
            "The milter stops and writes its last counts. Midnight comes early: one command's clock is a day ahead, "
            "so that today is a day that has closed.",
        )
        self.milter.stop()
        [library] = (ROOT / "usr/lib").glob("*/faketime/libfaketime.so.1")
        self.stage.hoptrail("nightly", "--config", self.config, env={"LD_PRELOAD": str(library), "FAKETIME": "+1d"})
        [page] = (self.output / "reports").glob("2*/index.html")
        self.stage.done(f"tonight's report: file://{page}")

    def list_drafts(self) -> None:
        self.stage.step("Abuse reports, for a person to read and to send")
        self.stage.hoptrail("abuse", "list", "--config", self.config)


def interrupt(_number: int, _frame: object) -> None:
    """SIGTERM ends the demo as Ctrl-C does: with everything stopped."""
    raise KeyboardInterrupt


def main(output: Path) -> int:
    """Run the demo, which leaves what it made in `output`, a new folder; its exit code."""
    stage = Stage()
    signal.signal(signal.SIGTERM, interrupt)
    output.mkdir()
    try:
        with ExitStack() as stack:
            demo = Demo(stage, stack, output)
            demo.run()
    except (DemoError, TestbedError, OSError, smtplib.SMTPException, subprocess.SubprocessError) as error:
        stage.console.print(Text(f"The demo failed: {error}", style="bold red"))
        return 1
    except KeyboardInterrupt:
        stage.console.print(Text("Interrupted: everything that was started is stopped.", style="bold red"))
        return 130
    stage.done(f"Everything is stopped. What is left lies in {output}; read a draft with")
    stage.show_command("abuse", "show", "--config", demo.config, "ID")
    return 0


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(main(Path(sys.argv[1]).resolve()))
    shutil.rmtree(OUTPUT, ignore_errors=True)
    sys.exit(main(OUTPUT))
