"""What an error of the file system or the bucket means, in a stable word and a sentence."""

import errno
from typing import Literal

from pdray.records import Failure
from pdray.sources.tar import Damaged

_WORDS = {
    errno.ENOENT: ("missing", "The file is gone."),
    errno.EACCES: ("permission", "The file may not be read by this user."),
    errno.EPERM: ("permission", "The file may not be read by this user."),
    errno.ELOOP: ("link-loop", "The link leads back to itself."),
    errno.EISDIR: ("not-a-file", "It is a folder, not a file."),
    errno.ENOTDIR: ("missing", "A folder on the way to the file is gone."),
    errno.ENAMETOOLONG: ("name-too-long", "The name is longer than the file system allows."),
    errno.EIO: ("io", "The disk or network reported an input/output error."),
    errno.ESTALE: ("io", "The network share was remounted while it was read."),
    errno.ETIMEDOUT: ("timeout", "The server did not answer in time."),
}


def explain(error: OSError) -> tuple[str, str]:
    """(kind, reason) of an error. The reason is one sentence and names no path."""
    if error.errno in _WORDS:
        return _WORDS[error.errno]
    if isinstance(error, FileNotFoundError):
        return _WORDS[errno.ENOENT]
    if isinstance(error, PermissionError):
        return _WORDS[errno.EACCES]
    if isinstance(error, TimeoutError):
        return _WORDS[errno.ETIMEDOUT]
    if isinstance(error, Damaged):
        return "damaged", str(error)
    text = (error.strerror or str(error) or type(error).__name__).strip().splitlines()[0]
    return "io", f"It could not be read: {text.rstrip('.')}."


def failure(uri: str, stage: Literal["list", "read"], error: OSError) -> Failure:
    """The Failure of one image that could not be listed or read."""
    kind, reason = explain(error)
    return Failure(uri, stage, kind, reason)
