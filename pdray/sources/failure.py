"""What an error of the file system or the bucket means, in a stable word and a sentence."""

import errno
from typing import Literal

from pdray.records import Failure
from pdray.sources.chain import chain, first_line
from pdray.sources.guard import PrivateHost
from pdray.sources.transient import TRANSIENT, transient_kind


class Damaged(OSError):
    """A container or a part of it is not what it should be. The text is a sentence."""


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
}


_PRIVATE = (
    "private-host",
    "The address is private: set sources.private_hosts to true if it may be reached.",
)


def explain(error: OSError) -> tuple[str, str]:
    """(kind, reason) of an error. The reason is one sentence and names no path."""
    if any(isinstance(cause, PrivateHost) for cause in chain(error)):
        return _PRIVATE
    if passing := transient_kind(error):
        return passing, f"{TRANSIENT[passing]} The next run tries again."
    if error.errno in _WORDS:
        return _WORDS[error.errno]
    if isinstance(error, FileNotFoundError):
        return _WORDS[errno.ENOENT]
    if isinstance(error, PermissionError):
        return _WORDS[errno.EACCES]
    if isinstance(error, Damaged):
        return "damaged", str(error)
    text = (error.strerror or str(error) or type(error).__name__).strip().splitlines()[0]
    return "io", f"It could not be read: {text.rstrip('.')}."


def failure(uri: str, stage: Literal["list", "read"], error: OSError) -> Failure:
    """The Failure of one image that could not be listed or read."""
    kind, reason = explain(error)
    return Failure(uri, stage, kind, reason)


def as_os_error(error: Exception) -> OSError:
    """Clients have errors of their own (botocore, aiohttp); readers expect OSError alone."""
    if isinstance(error, OSError):
        return error
    told = OSError(first_line(error))
    told.__cause__ = error
    return told
