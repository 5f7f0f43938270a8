"""Where images come from: folders, single files and buckets, behind one protocol."""

from pdray.sources.failure import failure
from pdray.sources.opening import open_source
from pdray.sources.protocol import Content, Entry, Listing, Source, Unreadable, one_by_one
from pdray.sources.uri import from_path, quote_path, to_path, under, unquote_path

__all__ = [
    "Content",
    "Entry",
    "Listing",
    "Source",
    "Unreadable",
    "failure",
    "from_path",
    "one_by_one",
    "open_source",
    "quote_path",
    "to_path",
    "under",
    "unquote_path",
]
