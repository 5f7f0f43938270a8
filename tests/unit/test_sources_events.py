"""What the operating system tells of local folders."""

from pathlib import Path

import pytest

from pdray.sources import open_source
from pdray.sources.events import Events, local_roots

SECONDS = 30.0


@pytest.mark.parametrize("name", ["a.jpg", "below/deep/a.jpg", "new.tar"])
def test_a_new_file_is_told_wherever_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "below" / "deep").mkdir(parents=True)
    with Events([str(tmp_path)]) as events:
        (tmp_path / name).write_bytes(b"x")
        assert events.wait(SECONDS)
        events.settled(0.2, SECONDS)
        assert not events.wait(0.0)


def test_a_file_that_goes_and_one_that_is_renamed_are_told(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    with Events([str(tmp_path)]) as events:
        (tmp_path / "a.jpg").unlink()
        assert events.wait(SECONDS)
        events.settled(0.2, SECONDS)
        (tmp_path / "b.jpg").rename(tmp_path / "c.jpg")
        assert events.wait(SECONDS)


def test_hidden_files_and_the_workspace_change_nothing(tmp_path: Path) -> None:
    events = Events([str(tmp_path)], [str(tmp_path / "w")])
    hidden = (".a.jpg", ".thumbnails/a.jpg", "w/collections/c/rows/1.parquet")
    assert not any(events.matters(str(tmp_path / name)) for name in hidden)
    assert all(events.matters(str(tmp_path / name)) for name in ("a.jpg", "b/c.png", "word/d.tar"))


def test_what_can_not_be_watched_is_told_by_nobody_and_stops_nobody(tmp_path: Path) -> None:
    with Events([str(tmp_path / "none")]) as events:
        assert events.folders == []
        assert not events.wait(0.0)


def test_only_local_folders_and_files_are_watched(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    sources = [open_source(str(tmp_path)), open_source(str(tmp_path / "a.jpg"))]
    assert local_roots(sources) == [f"{tmp_path}/", str(tmp_path / "a.jpg")]
