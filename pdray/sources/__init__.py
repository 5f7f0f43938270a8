"""Where images come from: folders, single files and buckets, behind one protocol."""

from pdray.sources.failure import failure
from pdray.sources.opening import open_source
from pdray.sources.protocol import Content, Entry, Listing, Source, Unreadable
from pdray.sources.uri import from_path, to_path, under

__all__ = [
    "Content",
    "Entry",
    "Listing",
    "Source",
    "Unreadable",
    "failure",
    "from_path",
    "open_source",
    "to_path",
    "under",
]
