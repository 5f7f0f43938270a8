"""Images in an S3 bucket, against a server that speaks S3."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pdray.records import Failure, ImageRef
from pdray.sources import Content, Unreadable, open_source
from pdray.sources.bucket import BucketSource
from pdray.sources.shards import Span
from pdray.sources.storage import Storage


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


def test_a_bucket_is_listed_page_by_page_in_one_order(s3: Any) -> None:
    system = fsspec.filesystem("s3", **s3.options)
    system.mkdir("pages")
    names = [f"{folder}{n}.png" for folder in ("", "a/", "a/deep/", "b/", "c/d/") for n in range(4)]
    for name in (*names, "b/", "empty//x.png", "a/.hidden/y.png"):
        system.pipe_file(f"pages/{name}", b"x")
    source = BucketSource.at("s3://pages", options=s3.options)
    plain = list(source.list())
    system.req_kw["MaxKeys"] = 3
    try:
        calls: list[str] = []
        call = system.call_s3
        system.call_s3 = lambda method, **options: calls.append(method) or call(method, **options)
        listing = source.list()
        assert isinstance(next(listing), ImageRef)
        before = len(calls)
        paged = list(listing)
    finally:
        del system.req_kw["MaxKeys"], system.call_s3
    assert before < len(calls)
    uris = [entry.uri for entry in plain if isinstance(entry, ImageRef)]
    assert uris == [f"s3://pages/{name}" for name in names]
    assert plain[1:] == paged
    (odd,) = [entry for entry in plain if isinstance(entry, Unreadable)]
    assert odd.prefix == "s3://pages/empty//"


@pytest.mark.parametrize(
    ("size", "members", "requests", "read"),
    [
        (3_000_000, 4, 6, 200_000),
        (20_000, 100, 3, 3_000_000),
    ],
)
def test_the_headers_of_large_members_are_read_alone_and_those_of_small_ones_together(
    size: int, members: int, requests: int, read: int, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = fsspec.filesystem("s3", **s3.options)
    system.mkdir(f"headers-{size}")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for number in range(members):
            info = tarfile.TarInfo(f"{number:03}.png")
            info.size = size
            tar.addfile(info, io.BytesIO(bytes(size)))
    system.pipe_file(f"headers-{size}/s.tar", packed.getvalue())
    asked: list[int] = []
    ranges = BucketSource.ranges

    def counted(self: BucketSource, uri: str, spans: Sequence[Span]) -> Sequence[bytes]:
        asked.extend(span.size for span in spans)
        return ranges(self, uri, spans)

    monkeypatch.setattr(BucketSource, "ranges", counted)
    source = open_source(f"s3://headers-{size}/s.tar", storage=Storage({"s3": s3.options}))
    assert len(list(source.list())) == members
    assert len(asked) <= requests
    assert sum(asked) <= read


def test_shards_in_a_bucket_are_listed_and_read_in_one_order(s3: Any, tmp_path: Path) -> None:
    system = fsspec.filesystem("s3", **s3.options)
    system.mkdir("shards")
    for shard in range(6):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for member in range(3):
                info = tarfile.TarInfo(f"{member}.png")
                info.size = 3
                tar.addfile(info, io.BytesIO(f"{shard}-{member}".encode()))
        system.pipe_file(f"shards/{shard}.tar", packed.getvalue())
    system.pipe_file("shards/3b.png", b"alone")
    system.pipe_file("shards/bad.tar", b"no tar")
    source = open_source("s3://shards", storage=Storage({"s3": s3.options}))
    entries = list(source.list())
    refs = [entry for entry in entries if isinstance(entry, ImageRef)]
    assert [type(entry) for entry in entries[-2:]] == [Failure, Unreadable]
    data = [one.data if isinstance(one, Content) else b"" for one in source.fetch(refs)]
    expected = [f"{shard}-{member}".encode() for shard in range(6) for member in range(3)]
    expected.insert(12, b"alone")
    assert data == expected
