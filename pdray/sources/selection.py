"""Which files of a tree count as images: by extension, by place and by the user's patterns."""

import re
from dataclasses import dataclass
from functools import lru_cache

from pdray.sources.shards import shard_kind

_EXTENSIONS = "jpg jpeg jpe jfif png webp gif bmp dib tif tiff avif jp2 j2k heic heif"
IMAGE_EXTENSIONS = frozenset(_EXTENSIONS.split())

# Folders that systems fill with copies, thumbnails or deleted files.
SKIPPED_FOLDERS = frozenset(
    ("@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", "lost+found")
)


def is_image_name(name: str) -> bool:
    """Whether a file name ends in an extension that pdray reads, in any case."""
    _, dot, extension = name.rpartition(".")
    return bool(dot) and extension.lower() in IMAGE_EXTENSIONS


def is_hidden(name: str) -> bool:
    """Whether a file or folder is passed over silently: dot names, `._*` copies, system folders."""
    return name.startswith(".") or name in SKIPPED_FOLDERS


@dataclass(frozen=True, slots=True)
class Selection:
    """The user's glob patterns, matched against paths relative to the root, with "/" between names.

    `*` and `?` stay within one name, `**` crosses folders, `[abc]` and `[!abc]` are sets. A pattern
    without "/" matches a name at any depth; one that matches a folder holds for all below it.
    No `include` means everything; `exclude` wins. `glob` is what the source itself was named by:
    it is matched from the root on, and folders that it can't match are not entered.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    glob: str = ""

    def takes(self, path: str) -> bool:
        """Whether the file at this relative path is selected."""
        if self.glob and not _matches((f"/{self.glob}",), path):
            return False
        if self.include and not _matches(self.include, path):
            return False
        return not self.excludes(path)

    def enters(self, path: str) -> bool:
        """Whether this folder, or shard, may hold what is selected."""
        return not self.excludes(path) and (not self.glob or _may_lead_to(self.glob, path))

    def excludes(self, path: str) -> bool:
        """Whether this file or whole folder is excluded, so that it need not be entered."""
        return bool(self.exclude) and _matches(self.exclude, path)

    def lists(self, path: str) -> bool:
        """Whether a walk lists this file: a selected image, or a shard, which is as a folder."""
        if shard_kind(path):
            return self.enters(path)
        return is_image_name(path.rpartition("/")[2]) and self.takes(path)

    def covers(self, path: str) -> bool:
        """Whether a walk would list a file at this relative path if it were there."""
        return not any(is_hidden(name) for name in path.split("/")) and self.lists(path)


EVERYTHING = Selection()


def is_glob(location: str) -> bool:
    """Whether what a user typed has wildcards."""
    return any(sign in location for sign in "*?[")


def split_glob(location: str) -> tuple[str, str]:
    """(the folder before the first name with a wildcard, the pattern from there on)."""
    first = next(at for at, sign in enumerate(location) if sign in "*?[")
    folder = location.rfind("/", 0, first) + 1
    return location[:folder], location[folder:]


def _may_lead_to(glob: str, folder: str) -> bool:
    """Whether something in this folder, at any depth, can match."""
    wanted = glob.strip("/").split("/")
    for at, name in enumerate(folder.split("/")):
        if at == len(wanted) or "**" in wanted[at]:
            return True
        if not _compile(f"/{wanted[at]}").fullmatch(name):
            return False
    return True


def _matches(patterns: tuple[str, ...], path: str) -> bool:
    return any(_compile(pattern).fullmatch(path) for pattern in patterns)


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    """One regular expression for a glob; it also matches everything below what the glob names."""
    glob = pattern.strip("/")
    anywhere = "" if "/" in pattern.rstrip("/") else "(?:.*/)?"
    return re.compile(f"{anywhere}{_translate(glob)}(?:/.*)?", re.DOTALL)


_TOKEN = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_WILDCARDS = {"**/": "(?:.*/)?", "/**": "/.+", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _translate(glob: str) -> str:
    return "".join(_translate_token(token) for token in _TOKEN.findall(glob))


def _translate_token(token: str) -> str:
    if token in _WILDCARDS:
        return _WILDCARDS[token]
    if len(token) > 2 and token.startswith("["):
        negated = token.startswith("[!")
        members = re.sub(r"([\\\[\]^])", r"\\\1", token[2 if negated else 1 : -1])
        return f"[^/{members}]" if negated else f"[{members}]"
    return re.escape(token)
