"""procmail, Pigeonhole and maildrop for real, each filing one message into a private Maildir."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from testbed.places import ROOT, TOP, unpacked
from testbed.service import as_user

NOBODY = 65534
# As root, everything runs as nobody (Dovecot refuses root), who sees the programs below /mnt.
IS_ROOT = os.geteuid() == 0
PROGRAM_ROOT = Path("/mnt") if IS_ROOT else ROOT
RECIPES = TOP / "procmail"


class Mailbox:
    """A Maildir of its own with the recipes beside it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.maildir = home / "Maildir"
        shutil.copytree(RECIPES, home / "recipes")
        for folder in ("new", "cur", "tmp"):
            (self.maildir / folder).mkdir(parents=True)
        (home / "bin").mkdir()
        (home / "bin/maildirmake").symlink_to(PROGRAM_ROOT / "usr/bin/maildirmake.maildrop")
        self.own()

    def own(self) -> None:
        for path in (self.home, *self.home.rglob("*")):
            if IS_ROOT and not path.is_symlink():
                os.chown(path, NOBODY, NOBODY)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.home / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        self.own()
        return path

    def run(self, program: str, *arguments: str | Path, message: bytes = b"", env: Mapping[str, str]) -> str:
        unpacked(ROOT / program)
        before = as_user("nobody") if IS_ROOT else []
        done = subprocess.run(
            [*before, PROGRAM_ROOT / program, *arguments],
            input=message,
            capture_output=True,
            check=False,
            timeout=60,
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": f"{self.home}/bin:/usr/bin:/bin", "LOGNAME": "nobody", **env},
        )
        log = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == 0, log
        return log

    def filed(self) -> dict[str, int]:
        """How many messages each folder holds; the inbox is ""."""
        found = {}
        for folder in (self.maildir, *self.maildir.glob(".*")):
            held = [path for place in ("new", "cur") for path in folder.glob(f"{place}/*")]
            if held:
                found[folder.name.removeprefix(".") if folder != self.maildir else ""] = len(held)
        return found


def procmail(box: Mailbox, message: bytes, *, before: str = "", recipe: str = "hoptrail.rc") -> str:
    """File with procmail; `before` stands in the rc file above the recipe."""
    rc = box.write(
        "procmailrc",
        f"MAILDIR={box.maildir}\nDEFAULT={box.maildir}/\nHOPTRAIL_RECIPES={box.home}/recipes\nVERBOSE=on\n"
        f"{before}\nINCLUDERC=$HOPTRAIL_RECIPES/{recipe}\n",
    )
    return box.run("usr/bin/procmail", rc, message=message, env={})


def sieve(box: Mailbox, message: bytes) -> str:
    """File with Pigeonhole's sieve-test, which executes the script as a delivery agent would."""
    libraries = [PROGRAM_ROOT / path for path in ("usr/lib/dovecot", "usr/lib/x86_64-linux-gnu", "usr/lib")]
    settings = {
        "DOVECONF_ENV": "1",  # settings come from the environment, so that no installed doveconf is asked
        "BASE_DIR": f"{box.home}",
        "MAIL_LOCATION": f"maildir:{box.maildir}",
        **({"MAIL_UID": str(NOBODY), "MAIL_GID": str(NOBODY)} if IS_ROOT else {}),
        "FIRST_VALID_UID": "0",
        "FIRST_VALID_GID": "0",
        "USER": "nobody",
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
    }
    letter = box.write("message.eml", message)
    return box.run("usr/bin/sieve-test", "-e", box.home / "recipes/sieve/hoptrail.sieve", letter, env=settings)


def maildrop(box: Mailbox, message: bytes) -> str:
    """File with maildrop."""
    filters = box.write(
        "mailfilter",
        f'PATH="{box.home}/bin:/usr/bin:/bin"\nMAILBOX="{box.maildir}"\nDEFAULT="$MAILBOX"\ninclude "recipes/maildrop/hoptrail.mailfilter"\n',
    )
    filters.chmod(0o600)
    libraries = f"{PROGRAM_ROOT}/usr/lib:{PROGRAM_ROOT}/usr/lib/x86_64-linux-gnu"
    return box.run("usr/bin/maildrop", "-V", "4", filters, message=message, env={"LD_LIBRARY_PATH": libraries})


PROGRAMS: dict[str, Callable[[Mailbox, bytes], str]] = {"procmail": procmail, "sieve": sieve, "maildrop": maildrop}
