"""Where the processes of one server meet: a folder of this user's in the temporary folder.

A socket's path may have 107 bytes, which a workspace's own folder can easily exceed.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from pdray.errors import UsageError
from pdray.index.target import IndexTarget


def place(target: IndexTarget) -> Path:
    """The folder for the index of a target, made where there is none. Only this user may enter.

    Raises UsageError where somebody else made it.
    """
    base = Path(tempfile.gettempdir()) / f"pdray-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    seen = base.lstat()
    if seen.st_uid != os.getuid() or seen.st_mode & 0o077 or base.is_symlink():
        raise UsageError(f"{base} isn't this user's alone: remove it, or set TMPDIR.")
    name = hashlib.sha256(os.fsencode(target.state_dir.resolve())).hexdigest()[:16]
    folder = base / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
