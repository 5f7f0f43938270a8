"""Listing and reading local folders: order, odd names, links, broken and unreadable entries."""

import os
import pickle
from pathlib import Path

import pytest
from PIL import Image

from pdray.errors import SourceError
from pdray.records import Failure, ImageRef
from pdray.sources import Source, Unreadable, open_source, to_path, under


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path.resolve() / "tree"


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), "teal").save(path, format="PNG")
    return path


def names(source: Source) -> list[str]:
    return [
        entry.uri.removeprefix(source.root)
        for entry in source.list()
        if isinstance(entry, ImageRef)
    ]


def test_images_are_listed_sorted_with_files_before_subfolders(tree: Path) -> None:
    for name in ("b/2.png", "b/1.JPG", "a/x/deep.webp", "z.gif", "c.tiff"):
        picture(tree / name)
    assert names(open_source(str(tree))) == [
        "c.tiff",
        "z.gif",
        "a/x/deep.webp",
        "b/1.JPG",
        "b/2.png",
    ]


def test_size_and_version_are_what_the_file_system_says(tree: Path) -> None:
    path = picture(tree / "a.png")
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    (ref,) = open_source(str(tree)).list()
    size = path.stat().st_size
    assert ref == ImageRef(f"file://{tree}/a.png", size, f"1700000000123456789-{size}")


def test_a_changed_file_has_another_version(tree: Path) -> None:
    path = picture(tree / "a.png")
    source = open_source(str(tree))
    (before,) = source.list()
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    (after,) = source.list()
    assert isinstance(before, ImageRef)
    assert isinstance(after, ImageRef)
    assert before.version != after.version


@pytest.mark.parametrize(
    "name",
    [b"caf\xc3\xa9 100%25 #1?.png", b"latin-\xe9\xff.png", b"line\nbreak.png", b"a;b&c=d.png"],
)
def test_any_name_survives_the_way_to_a_uri_and_back(tree: Path, name: bytes) -> None:
    tree.mkdir()
    path = os.fsencode(tree) + b"/" + name
    Image.new("L", (2, 2)).save(os.fsdecode(path))
    source = open_source(str(tree))
    (ref,) = source.list()
    assert isinstance(ref, ImageRef)
    assert ref.uri.isascii()
    assert os.fsencode(to_path(ref.uri)) == path
    assert source.read(ref.uri) == Path(os.fsdecode(path)).read_bytes()
    assert source.covers(ref.uri)


def test_uris_are_those_of_pathlib(tree: Path) -> None:
    path = picture(tree / "ümlaut ~ (1).png")
    (ref,) = open_source(str(tree)).list()
    assert isinstance(ref, ImageRef)
    assert ref.uri == path.as_uri()


def test_one_folder_has_one_uri_by_whatever_name_it_is_reached(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tree / "sub/a.png")
    (tree.parent / "alias").symlink_to(tree)
    monkeypatch.chdir(tree)
    spellings = (
        f"{tree}",
        f"{tree}/",
        f"{tree}/sub/..",
        ".",
        tree.as_uri(),
        f"{tree.parent}/alias",
    )
    assert {open_source(spelling).root for spelling in spellings} == {f"{tree.as_uri()}/"}


def test_files_that_are_no_images_are_counted_and_hidden_ones_are_not(tree: Path) -> None:
    picture(tree / "a.png")
    for name in (".hidden.png", "._a.png", "@eaDir/a.png", ".thumbnails/a.png", "__MACOSX/b.png"):
        picture(tree / name)
    for name in ("notes.txt", "jpg", "movie.mp4"):
        (tree / name).write_text("x")
    listing = open_source(str(tree)).list()
    assert len(list(listing)) == 1
    assert listing.ignored == 3


def test_links_to_folders_are_followed_once_and_never_round(tree: Path) -> None:
    outside = tree.parent / "outside"
    picture(tree / "real/a.png")
    picture(outside / "b.png")
    (outside / "back").symlink_to(tree)
    (tree / "a-first").symlink_to(outside)
    (tree / "b-second").symlink_to(outside)
    (tree / "real/up").symlink_to(tree)
    (tree / "real-again").symlink_to(tree / "real")
    assert names(open_source(str(tree))) == ["real/a.png", "a-first/b.png"]


def test_a_link_to_a_parent_lists_what_lies_beside_the_root(tree: Path) -> None:
    picture(tree / "a.png")
    picture(tree.parent / "beside/b.png")
    (tree / "up").symlink_to(tree.parent)
    assert names(open_source(str(tree))) == ["a.png", "up/beside/b.png"]


def test_a_link_to_an_image_is_an_image_of_its_own(tree: Path) -> None:
    picture(tree / "a.png")
    (tree / "z.png").symlink_to(tree / "a.png")
    assert names(open_source(str(tree))) == ["a.png", "z.png"]


def test_broken_entries_named_like_images_become_failures(tree: Path) -> None:
    picture(tree / "good.png")
    (tree / "broken.jpg").symlink_to(tree / "nowhere.jpg")
    (tree / "loop.jpg").symlink_to(tree / "loop.jpg")
    os.mkfifo(tree / "pipe.jpg")
    found = {
        entry.uri.rpartition("/")[2]: entry.kind
        for entry in open_source(str(tree)).list()
        if isinstance(entry, Failure)
    }
    assert found == {
        "broken.jpg": "broken-link",
        "loop.jpg": "link-loop",
        "pipe.jpg": "not-a-file",
    }
    assert names(open_source(str(tree))) == ["good.png"]


def test_a_link_whose_folder_is_gone_protects_what_was_below_it(tree: Path) -> None:
    picture(tree / "a.png")
    (tree / "card").symlink_to("/nonexistent/mount")
    entries = list(open_source(str(tree)).list())
    assert [e.prefix for e in entries if isinstance(e, Unreadable)] == [f"{tree.as_uri()}/card/"]


def test_an_unreadable_folder_is_said_and_the_rest_is_listed(tree: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    picture(tree / "locked/a.png")
    picture(tree / "open/b.png")
    (tree / "locked").chmod(0)
    try:
        entries = list(open_source(str(tree)).list())
    finally:
        (tree / "locked").chmod(0o755)
    assert entries[0] == Unreadable(
        f"{tree.as_uri()}/locked/", "The folder could not be listed: this user may not read it."
    )
    assert [e.uri for e in entries[1:] if isinstance(e, ImageRef)] == [
        f"{tree.as_uri()}/open/b.png"
    ]


def test_a_folder_that_goes_while_it_is_listed_is_unreadable_not_empty(tree: Path) -> None:
    picture(tree / "a.png")
    gone = picture(tree / "sub/b.png")
    listing = open_source(str(tree)).list()
    next(listing)
    gone.unlink()
    gone.parent.rmdir()
    assert [e.prefix for e in listing if isinstance(e, Unreadable)] == [f"{tree.as_uri()}/sub/"]


def test_a_root_that_is_gone_by_the_time_of_listing_is_unreadable(tree: Path) -> None:
    tree.mkdir()
    source = open_source(str(tree))
    tree.rmdir()
    assert [e.prefix for e in source.list() if isinstance(e, Unreadable)] == [source.root]


def test_one_image_is_a_source_under_the_uri_that_its_folder_lists(tree: Path) -> None:
    path = picture(tree / "a b.png")
    picture(tree / "c.png")
    one = open_source(str(path))
    (ref,) = one.list()
    assert ref in list(open_source(str(tree)).list())
    assert isinstance(ref, ImageRef)
    assert one.root == ref.uri
    assert one.covers(ref.uri)
    assert not one.covers(f"{tree.as_uri()}/c.png")


def test_reading_a_missing_file_raises_file_not_found(tree: Path) -> None:
    tree.mkdir()
    source = open_source(str(tree))
    with pytest.raises(FileNotFoundError):
        source.read(f"{source.root}none.png")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_source_pickles(tree: Path, kind: str) -> None:
    path = picture(tree / "a.png")
    source = open_source(str(tree if kind == "folder" else path), exclude=["x"])
    assert list(pickle.loads(pickle.dumps(source)).list()) == list(source.list())


@pytest.mark.parametrize("location", ["", "/nonexistent/folder", "file://elsewhere/a", "a\0b"])
def test_a_root_that_cannot_be_opened_is_one_sentence(location: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(location)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("uri", "root", "expected"),
    [
        ("file:///a/b/c.jpg", "file:///a/b/", True),
        ("file:///a/b/c.jpg", "file:///a/b", True),
        ("file:///a/bc/c.jpg", "file:///a/b", False),
        ("file:///a/b", "file:///a/b", True),
        ("file:///a/b.jpg", "file:///a/b.jpg", True),
        ("file:///a/b.jpg2", "file:///a/b.jpg", False),
        ("s3://bucket2/x.jpg", "s3://bucket/", False),
        ("file:///x.jpg", "file:///", True),
    ],
)
def test_under_minds_prefixes_that_only_look_alike(uri: str, root: str, expected: bool) -> None:
    assert under(uri, root) is expected
