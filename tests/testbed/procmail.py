"""The real procmail, run on one message in a home of its own."""

import subprocess
from pathlib import Path

from testbed.places import ROOT, TestbedError, unpacked


def deliver(message: bytes, recipe: str, home: Path) -> list[Path]:
    """Run a message through a recipe with `home` as $HOME; the files below `home` that were written, sorted.

    What no recipe files goes to the Maildir `Inbox/`. Messages end in the order of their names there when more than one
    is delivered. procmail's own complaints (syntax, a locked folder) are a TestbedError.
    """
    before = {path for path in home.rglob("*") if path.is_file()}
    rc = home / ".procmailrc"
    rc.write_text(f"MAILDIR={home}\nDEFAULT={home}/Inbox/\n{recipe}\n", encoding="utf-8")
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [unpacked(ROOT / "usr/bin/procmail"), "-m", str(rc)],
        input=message,
        env=env,
        cwd=home,
        capture_output=True,
        check=False,
        timeout=30,
    )
    if done.returncode or done.stderr:
        raise TestbedError(f"procmail ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return sorted({path for path in home.rglob("*") if path.is_file()} - before - {rc})
