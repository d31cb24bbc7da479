"""Files that root makes for the daemon: they become those of whoever owns the folder, or the daemon could not write."""

import os
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_MODE = 0o640
_FOLDER_MODE = 0o750


def make_owned(folder: Path) -> None:
    """Make a folder where there is none; raises OSError. Its parent must be there."""
    try:
        folder.mkdir(_FOLDER_MODE)
    except FileExistsError:
        return
    if os.geteuid() == 0:
        parent = folder.parent.stat()
        os.chown(folder, parent.st_uid, parent.st_gid, follow_symlinks=False)


def open_owned(path: Path, flags: int = 0) -> int:
    """Return a descriptor of the file, which is made where it is absent; raises OSError.

    `flags` are added to those of open(2).

    Only a file made here, by this call, is given away: another may be a link that its owner laid to lead root astray.
    """
    try:
        descriptor = os.open(path, _FLAGS | flags | os.O_EXCL, _MODE)
    except FileExistsError:
        return os.open(path, _FLAGS | flags, _MODE)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor
