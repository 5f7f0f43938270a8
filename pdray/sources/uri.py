"""Canonical uris: percent-encoded, so that they are valid text whatever bytes a name is made of.

They are stored in catalogs, so the encoding never changes: everything but ASCII letters, digits and
`_.-~/` is written as %XX of its bytes (RFC 3986, as `Path.as_uri` does on POSIX up to Python 3.13).
"""

import os
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from pdray.errors import SourceError

FILE = "file://"


def quote_path(path: str) -> str:
    """Percent-encode a path; bytes that are not UTF-8 (surrogate escapes) keep their value."""
    return quote_from_bytes(path.encode("utf-8", "surrogateescape"), safe="/")


def unquote_path(quoted: str) -> str:
    """The inverse of `quote_path`."""
    return unquote_to_bytes(quoted).decode("utf-8", "surrogateescape")


def from_path(path: str) -> str:
    """Canonical uri of an absolute local path."""
    posix = path.replace(os.sep, "/")
    return FILE + quote_from_bytes(os.fsencode(posix if posix.startswith("/") else f"/{posix}"))


def to_path(uri: str) -> str:
    """Local path of a file uri. Raises SourceError where it names another machine."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise SourceError(f"{uri} is not a file on this machine; give a path or file:///path.")
    path = os.fsdecode(unquote_to_bytes(uri[len(FILE) + len(parts.netloc) :]))
    return path[1:] if os.name == "nt" else path


def under(uri: str, root: str) -> bool:
    """Whether a canonical uri is `root` itself or lies below it (/a/bc does not lie below /a/b)."""
    return uri == root or uri.startswith(root if root.endswith("/") else f"{root}/")
