"""Whether a user may reach a file, by owner, group and mode: the question that root cannot answer by trying.

Access control lists are not looked at.
"""

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class User:
    """An account with all groups it is in."""

    name: str
    uid: int
    gids: frozenset[int]

    @classmethod
    def named(cls, name: str) -> Self | None:
        """Return the account of that name, None where there is none."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(name, entry.pw_uid, frozenset(os.getgrouplist(name, entry.pw_gid)))

    @classmethod
    def current(cls) -> Self:
        """Return the account that runs this process."""
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
        return cls(name, uid, frozenset({os.getegid(), *os.getgroups()}))

    def is_in(self, group: str) -> bool:
        """Whether the account is in the group of that name."""
        try:
            return grp.getgrnam(group).gr_gid in self.gids
        except KeyError:
            return False


def obstacle(user: User, path: Path, rights: int) -> Path | None:
    """Return what keeps a user from having `rights` (4 read, 2 write, 1 search) to a path: itself or a folder above it.

    None where nothing does. Raises OSError where the path cannot be looked at.
    """
    for folder in reversed(path.resolve().parents):
        if not _has(user, folder.stat(), os.X_OK):
            return folder
    return None if _has(user, path.stat(), rights) else path


def _has(user: User, status: os.stat_result, rights: int) -> bool:
    if user.uid == 0:
        return True
    if status.st_uid == user.uid:
        granted = status.st_mode >> 6
    elif status.st_gid in user.gids:
        granted = status.st_mode >> 3
    else:
        granted = status.st_mode
    return granted & rights == rights
