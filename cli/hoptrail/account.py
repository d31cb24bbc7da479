"""The account that a command works with, where root runs it by hand."""

import os
import pwd
from pathlib import Path


def become_owner(folder: Path) -> None:
    """Go on as the folder's owner where root runs us, so that what we write there stays the daemon's to write.

    Nothing happens where the folder is root's own, is absent, or belongs to nobody known.
    """
    if os.geteuid() or not folder.is_dir():
        return
    try:
        owner = pwd.getpwuid(folder.stat().st_uid)
    except KeyError:
        return
    if owner.pw_uid:
        os.initgroups(owner.pw_name, owner.pw_gid)
        os.setgid(owner.pw_gid)
        os.setuid(owner.pw_uid)
