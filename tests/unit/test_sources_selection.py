"""Glob patterns, and that `covers` tells exactly what a listing would name."""

import tarfile
from pathlib import Path

import pytest

from pdray.records import ImageRef
from pdray.sources import open_source
from pdray.sources.selection import Selection, is_image_name


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.png", "a.png", True),
        ("*.png", "deep/er/a.png", True),
        ("*.png", "a.png.jpg", False),
        ("/*.png", "a.png", True),
        ("/*.png", "deep/a.png", False),
        ("2023/*.jpg", "2023/a.jpg", True),
        ("2023/*.jpg", "2023/06/a.jpg", False),
        ("2023/**/*.jpg", "2023/a.jpg", True),
        ("2023/**/*.jpg", "2023/06/01/a.jpg", True),
        ("**/raw/**", "raw/a.jpg", True),
        ("**/raw/**", "x/raw/y/a.jpg", True),
        ("**/raw/**", "x/rawer/a.jpg", False),
        ("raw", "x/raw/y/a.jpg", True),
        ("raw/", "x/raw/y/a.jpg", True),
        ("x/raw", "x/raw/y/a.jpg", True),
        ("x/raw", "y/x/raw/a.jpg", False),
        ("IMG_?.jpg", "IMG_1.jpg", True),
        ("IMG_?.jpg", "IMG_12.jpg", False),
        ("IMG_[0-4].jpg", "IMG_3.jpg", True),
        ("IMG_[!0-4].jpg", "IMG_3.jpg", False),
        ("IMG_[!0-4].jpg", "IMG_7.jpg", True),
        ("a+b(1).jpg", "a+b(1).jpg", True),
        ("[unclosed.jpg", "[unclosed.jpg", True),
        ("*.JPG", "a.jpg", False),
    ],
)
def test_a_pattern_matches_as_documented(pattern: str, path: str, expected: bool) -> None:
    assert Selection(include=(pattern,)).takes(path) is expected
    assert Selection(exclude=(pattern,)).takes(path) is not expected


def test_exclude_wins_over_include() -> None:
    selection = Selection(include=("2023/**",), exclude=("*.gif",))
    assert selection.takes("2023/a.jpg")
    assert not selection.takes("2023/a.gif")
    assert not selection.takes("2024/a.jpg")


@pytest.mark.parametrize("name", ["a.JPG", "b.Jpeg", "c.HEIC", "d.x.tif"])
def test_extensions_count_in_any_case(name: str) -> None:
    assert is_image_name(name)


@pytest.mark.parametrize("name", ["jpg", "a.jpg.txt", "a.", "a"])
def test_other_names_are_no_images(name: str) -> None:
    assert not is_image_name(name)


def test_covers_says_what_a_listing_would_name(tmp_path: Path) -> None:
    files = ["keep/a b.jpg", "drop/b.jpg", "c.txt", ".d.jpg", "@eaDir/e.jpg", "keep/f.gif"]
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    source = open_source(str(tmp_path), exclude=["drop", "*.gif"])
    listed = {entry.uri for entry in source.list() if isinstance(entry, ImageRef)}
    uris = {(tmp_path.resolve() / name).as_uri() for name in files}
    assert {uri for uri in uris if source.covers(uri)} == listed
    assert not source.covers(source.root)
    assert not source.covers(source.root.rstrip("/") + "2/a.jpg")


def test_excluded_folders_are_not_entered_and_so_never_reported_unreadable(tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to("/nonexistent")
    assert list(open_source(str(tmp_path), exclude=["cache"]).list()) == []


TREE = ("a.jpg", "b.png", "x/c.jpg", "x/y/d.jpg", "z/y/e.jpg", "z/f.gif")


def listed(location: str, **patterns: list[str]) -> set[str]:
    found = [e.uri for e in open_source(location, **patterns).list() if isinstance(e, ImageRef)]
    return {uri.rpartition("/tree/")[2] for uri in found}


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.jpg", {"a.jpg"}),
        ("**/*.jpg", {"a.jpg", "x/c.jpg", "x/y/d.jpg", "z/y/e.jpg"}),
        ("*/y", {"x/y/d.jpg", "z/y/e.jpg"}),
        ("[xz]/?.*", {"x/c.jpg", "z/f.gif"}),
        ("x/**", {"x/c.jpg", "x/y/d.jpg"}),
        ("none*", set()),
    ],
)
def test_a_glob_is_a_source(tmp_path: Path, glob: str, expected: set[str]) -> None:
    for name in TREE:
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    location = f"{tmp_path}/tree/{glob}"
    source = open_source(location)
    assert listed(location) == expected
    root = (tmp_path / "tree").resolve().as_uri()
    assert {name for name in TREE if source.covers(f"{root}/{name}")} == expected
    assert listed(location, exclude=["*.jpg"]) == {n for n in expected if not n.endswith("jpg")}


def test_a_glob_enters_no_folder_that_it_cannot_match(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "gone").symlink_to("/nonexistent/mount")
    assert len(list(open_source(f"{tmp_path}/*.jpg").list())) == 1
    assert len(list(open_source(f"{tmp_path}/g*/*.jpg").list())) == 1


def test_a_name_with_signs_of_a_glob_is_itself_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "a[1].jpg").write_bytes(b"x")
    (tmp_path / "a1.jpg").write_bytes(b"y")
    (ref,) = open_source(f"{tmp_path}/a[1].jpg").list()
    assert isinstance(ref, ImageRef)
    assert ref.uri.endswith("/a%5B1%5D.jpg")


def test_a_glob_over_a_folder_of_shards_takes_their_members(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        with tarfile.open(tmp_path / name, "w") as tar:
            tar.addfile(tarfile.TarInfo("sub/1.jpg"))
    found = [e.uri for e in open_source(f"{tmp_path}/a*.tar").list() if isinstance(e, ImageRef)]
    assert [uri.rpartition("/a.tar")[2] for uri in found] == ["!/sub/1.jpg"]
