"""Tar shards: members listed by headers, read by ranges, with their sidecars; cut and odd tars."""

import io
import json
import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from pdray.errors import SourceError
from pdray.records import Failure, ImageRef
from pdray.sources import Content, Source, Unreadable, open_source
from pdray.sources.folder import FileSource, FolderSource
from pdray.sources.shards import Span


def picture(shade: int = 0) -> bytes:
    data = io.BytesIO()
    Image.new("L", (5, 4), shade).save(data, format="PNG")
    return data.getvalue()


def pack(
    path: Path, files: dict[str, bytes], form: int = tarfile.GNU_FORMAT, encoding: str = "utf-8"
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form, encoding=encoding, errors="surrogateescape") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def images(source: Source) -> list[ImageRef]:
    return [entry for entry in source.list() if isinstance(entry, ImageRef)]


def contents(source: Source, refs: Sequence[ImageRef] | None = None) -> list[Content]:
    found = list(source.fetch(images(source) if refs is None else refs))
    for one in found:
        assert isinstance(one, Content), one
    return [one for one in found if isinstance(one, Content)]


def test_a_folders_tars_are_listed_among_its_images_and_read(tmp_path: Path) -> None:
    files = {f"{n}.png": picture(n) for n in range(5)}
    pack(tmp_path / "b.tar", files)
    (tmp_path / "a.png").write_bytes(picture(77))
    (tmp_path / "c.png").write_bytes(picture(78))
    source = open_source(str(tmp_path))
    refs = images(source)
    root = tmp_path.resolve().as_uri()
    inside = [f"{root}/b.tar!/{n}.png" for n in range(5)]
    assert [ref.uri for ref in refs] == [f"{root}/a.png", *inside, f"{root}/c.png"]
    assert [one.data for one in contents(source, refs)] == [
        picture(77), *files.values(), picture(78),
    ]  # fmt: skip
    assert all(source.covers(ref.uri) for ref in refs)
    assert pickle.loads(pickle.dumps(source)) == source


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_odd_names_are_right_in_both_dialects(tmp_path: Path, form: int) -> None:
    names = [
        "x" * 120 + "/" + "y" * 140 + ".png",
        "./plain.png",
        "/rooted/ünï #1?.png",
        "a!/b.png",
        "caf\udce9.png",
    ]
    pack(tmp_path / "s.tar", {name: picture(n) for n, name in enumerate(names)}, form)
    source = open_source(str(tmp_path / "s.tar"))
    refs = images(source)
    assert len(refs) == len(names)
    assert all(ref.uri.isascii() for ref in refs)
    for ref, shade in zip(refs, range(len(names)), strict=True):
        assert ref.uri.startswith(source.root)
        assert source.covers(ref.uri)
        assert source.read(ref.uri, ref.place) == picture(shade)
        assert source.read(ref.uri) == picture(shade)


def test_sidecars_become_caption_and_facts(tmp_path: Path) -> None:
    facts = {
        "license": "cc0",
        "views": 12,
        "nested": {"a": 1},
        "caption": "from json",
        "nan": 1e999,
    }
    files = {
        "d/000.json": json.dumps({**facts, "nan": float("nan")}).encode(),
        "d/000.png": picture(1),
        "d/000.txt": "\ufeffa red barn\n".encode(),
        "d/001.jpg.json": b"{}",
        "d/001.png": picture(2),
        "d/001.json": b'{"text": "only here"}',
        "d/002.png": picture(3),
        "d/002.json": b"[1, broken",
        "d/002.txt": b"caf\xe9",
        "notes.md": b"x",
    }
    pack(tmp_path / "s.tar", files)
    source = open_source(str(tmp_path))
    listing = source.list()
    refs = [entry for entry in listing if isinstance(entry, ImageRef)]
    assert listing.ignored == 2
    first, second, third = contents(source, refs)
    assert first.caption == "a red barn"
    assert json.loads(first.extra or "") == {
        "__key__": "d/000", "license": "cc0", "views": 12, "caption": "from json",
    }  # fmt: skip
    assert (second.caption, json.loads(second.extra or "")) == ("only here", {"__key__": "d/001"})
    assert (third.caption, json.loads(third.extra or "")) == ("caf\ufffd", {"__key__": "d/002"})


def test_an_unchanged_shard_keeps_its_versions_and_a_changed_one_does_not(tmp_path: Path) -> None:
    shard = pack(tmp_path / "s.tar", {"a.png": picture(1), "b.png": picture(2)})
    before = images(open_source(str(tmp_path)))
    assert images(open_source(str(tmp_path))) == before
    pack(shard, {"a.png": picture(9), "b.png": picture(2), "c.png": picture(3)})
    after = images(open_source(str(tmp_path)))
    assert len({ref.version for ref in before + after}) == 5


@pytest.mark.parametrize("cut", ["inside a member", "between members", "inside a header", "no end"])
def test_of_a_shard_that_was_cut_off_the_whole_members_count(tmp_path: Path, cut: str) -> None:
    shard = pack(tmp_path / "s.tar", {f"{n}.png": picture(n) for n in range(4)})
    with tarfile.open(shard) as tar:
        third, fourth = tar.getmembers()[2:]
    at = {
        "inside a member": third.offset_data + 20,
        "between members": third.offset,
        "inside a header": third.offset + 100,
        "no end": fourth.offset_data + 512,
    }[cut]
    (tmp_path / "whole.png").write_bytes(picture(50))
    with shard.open("rb+") as file:
        file.truncate(at)
    source = open_source(str(tmp_path))
    entries = list(source.list())
    names = [e.uri.rpartition("/")[2] for e in entries if isinstance(e, ImageRef)]
    assert names == [*(f"{n}.png" for n in range(4 if cut == "no end" else 2)), "whole.png"]
    prefix = f"{shard.resolve().as_uri()}!/"
    (fault,) = [e for e in entries if isinstance(e, Failure)]
    assert (fault.uri, fault.kind) == (prefix, "damaged")
    assert fault.reason.startswith("It is cut off")
    assert [e.prefix for e in entries if isinstance(e, Unreadable)] == [prefix]
    assert source.covers(prefix), "else its failed row stays for ever once the shard is mended"


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b compressed" * 100, b"x" * 5000])
def test_what_is_no_tar_is_a_failure_and_nothing_else_suffers(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.tar").write_bytes(data)
    (tmp_path / "good.png").write_bytes(picture())
    entries = list(open_source(str(tmp_path)).list())
    assert [type(entry) for entry in entries] == [Failure, Unreadable, ImageRef]


def test_a_header_that_is_overwritten_is_damage_not_the_end(tmp_path: Path) -> None:
    shard = pack(tmp_path / "s.tar", {f"{n}.png": picture(n) for n in range(4)})
    with tarfile.open(shard) as tar:
        third = tar.getmembers()[2]
    with shard.open("rb+") as file:
        file.seek(third.offset)
        file.write(b"\xff" * 512)
    entries = list(open_source(str(shard)).list())
    assert [type(entry) for entry in entries] == [ImageRef, ImageRef, Failure, Unreadable]


def test_of_a_name_that_comes_twice_the_last_counts(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for shade in (1, 2):
            info = tarfile.TarInfo("same.png")
            info.size = len(picture(shade))
            tar.addfile(info, io.BytesIO(picture(shade)))
    (one,) = contents(open_source(str(tmp_path)))
    assert one.data == picture(2)


def test_links_hidden_files_and_folders_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    pack(tmp_path / "s.tar", {"a.png": picture(), "._a.png": b"x", "__MACOSX/b.png": b"y"})
    with tarfile.open(tmp_path / "s.tar", "a") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"other{kind!r}.png")
            info.type, info.linkname = kind, "a.png"
            tar.addfile(info)
    assert [ref.uri.rpartition("/")[2] for ref in images(open_source(str(tmp_path)))] == ["a.png"]


def test_the_patterns_see_a_shard_as_a_folder(tmp_path: Path) -> None:
    pack(tmp_path / "x.tar", {"keep/a.png": picture(), "drop/b.png": picture(1), "c.gif": b"x"})
    pack(tmp_path / "y.tar", {"d.png": picture(2)})
    every = [ref.uri for ref in images(open_source(str(tmp_path)))]
    source = open_source(str(tmp_path), exclude=["drop", "y.tar"], include=["*.png"])
    chosen = [ref.uri for ref in images(source)]
    assert [uri.rpartition("!/")[2] for uri in chosen] == ["keep/a.png"]
    assert [uri for uri in every if source.covers(uri)] == chosen
    alone = open_source(str(tmp_path / "x.tar"), include=["keep/**"])
    assert [ref.uri for ref in images(alone)] == chosen


def test_only_the_ranges_of_the_members_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filler = bytes(3_000_000)
    shard = pack(
        tmp_path / "s.tar",
        {"a.png": picture(1), "big.bin": filler, "b.png": picture(2), "c.png": picture(3)},
    )
    source = open_source(str(tmp_path))
    refs = images(source)
    asked: list[Span] = []
    ranges = FolderSource.ranges

    def counted(self: FolderSource, uri: str, spans: Sequence[Span]) -> Sequence[bytes]:
        asked.extend(spans)
        return ranges(self, uri, spans)

    monkeypatch.setattr(FolderSource, "ranges", counted)
    assert [one.data for one in contents(source, refs)] == [picture(n) for n in (1, 2, 3)]
    assert len(asked) == 2, "neighbours are read at once, what lies far apart is not"
    assert sum(span.size for span in asked) < 5000 < shard.stat().st_size


def test_a_shard_that_shrank_since_it_was_listed_fails_image_by_image(tmp_path: Path) -> None:
    shard = pack(tmp_path / "s.tar", {"a.png": picture(1), "b.png": picture(2)})
    source = open_source(str(tmp_path))
    refs = images(source)
    with shard.open("rb+") as file:
        file.truncate(700)
    found = list(source.fetch(refs))
    assert [isinstance(one, OSError) for one in found] == [False, True]
    shard.unlink()
    assert [type(one) for one in source.fetch(refs)] == [FileNotFoundError] * 2


def test_an_image_that_is_in_no_shard_is_not_found(tmp_path: Path) -> None:
    shard = pack(tmp_path / "s.tar", {"a.png": picture(1)})
    with pytest.raises(FileNotFoundError):
        open_source(str(shard)).read(f"{shard.resolve().as_uri()}!/none.png")
    with pytest.raises(SourceError):
        open_source(str(tmp_path / "none.tar"))


def test_a_single_image_named_directly_needs_no_extension(tmp_path: Path) -> None:
    (tmp_path / "scan").write_bytes(picture())
    source = open_source(str(tmp_path / "scan"))
    assert [ref.uri for ref in images(source)] == [source.root]
    assert FileSource.at(tmp_path / "scan").relative(source.root) == "scan"
