"""Files that root makes for the daemon: they become those of whoever owns the folder, or the daemon could not write."""

import os
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_MODE = 0o640


def open_owned(path: Path) -> int:
    """Return a descriptor of the file, which is made where it is absent; raises OSError.

    Only a file made here, by this call, is given away: another may be a link that its owner laid to lead root astray.
    """
    try:
        descriptor = os.open(path, _FLAGS | os.O_EXCL, _MODE)
    except FileExistsError:
        return os.open(path, _FLAGS, _MODE)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor
