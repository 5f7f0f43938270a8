"""Exceptions for bad runs; bad rows are Failure values (pdray.records).

PdrayError              one sentence: what, which item, what to do; exit 1
├── UsageError          the call itself is wrong: exit 2
├── SourceError         a source can't be opened or listed
├── ModelUnavailable    a model can't be found or loaded
├── RunCancelled        someone cancelled the run
├── CatalogError        a workspace can't be read or written
│   └── LeaseHeld       another run holds the collection
├── IngestError         workers die over and over
├── IndexUnavailable    the index can't be reached or is locked
└── LibraryUnavailable  the database of people's edits can't be asked
"""


class PdrayError(Exception):
    """A run can't go on. Its text is one sentence for a person."""


class UsageError(PdrayError):
    """The call itself is wrong."""


class SourceError(PdrayError):
    """A source can't be opened or listed."""


class ModelUnavailable(PdrayError):
    """A model can't be found or loaded."""


class CatalogError(PdrayError):
    """A workspace can't be read or written."""


class LeaseHeld(CatalogError):
    """Another indexing run holds the collection."""


class RunCancelled(PdrayError):
    """Someone cancelled the run; what was committed stays."""


class IngestError(PdrayError):
    """Workers die over and over."""


class IndexUnavailable(PdrayError):
    """The index can't be reached, or another process holds it."""


class LibraryUnavailable(PdrayError):
    """The database of what people say of images can't be asked."""
