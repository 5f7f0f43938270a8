"""Images in an S3 bucket, against a server that speaks S3."""

from typing import Any

import fsspec

from pdray.records import ImageRef
from pdray.sources import open_source


def test_a_bucket_is_listed_and_read(s3: Any) -> None:
    system = fsspec.filesystem("s3", **s3.options)
    system.mkdir("holiday")
    for name in ("b/2 ä.png", "a.png", "b/notes.txt"):
        system.pipe_file(f"holiday/{name}", name.encode())
    source = open_source("s3://holiday")
    listing = source.list()
    refs = [entry for entry in listing if isinstance(entry, ImageRef)]
    assert [ref.uri for ref in refs] == ["s3://holiday/a.png", "s3://holiday/b/2%20%C3%A4.png"]
    assert source.read(refs[1].uri) == "b/2 ä.png".encode()
    assert listing.ignored == 1
    system.pipe_file("holiday/a.png", b"other")
    again = [entry for entry in source.list() if isinstance(entry, ImageRef)]
    assert [new.version == old.version for new, old in zip(again, refs, strict=True)] == [
        False,
        True,
    ]
