"""What people say of images is kept, alike in SQLite and PostgreSQL."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdray.errors import LibraryUnavailable
from pdray.library.edits import Edit, edited
from pdray.library.library import Library
from tests.ports import free_port
from tests.postgres import PASSWORD

A, B, C = (str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in "abc")


@pytest.fixture(params=["sqlite", "postgresql", pytest.param("service", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new 100%?#' / 'library.db'}"
    if request.param == "service":
        service = os.environ.get("PDRAY_TEST_POSTGRESQL_URL")
        if not service:
            pytest.skip("PDRAY_TEST_POSTGRESQL_URL names no server")
        return service
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def library(url: str) -> Iterator[Library]:
    made = Library(url)
    yield made
    made.forget([A, B, C])
    made.close()


def test_an_edit_changes_what_it_names_and_leaves_the_rest() -> None:
    said = edited({}, Edit(add=("cat", "sofa"), rating=3))
    assert said == {"tags": ["cat", "sofa"], "rating": 3}
    said = edited(said, Edit(add=("dog",), remove=("cat", "blurred"), caption="A dog."))
    assert said == {
        "tags": ["sofa", "dog"],
        "without": ["cat", "blurred"],
        "rating": 3,
        "caption": "A dog.",
    }
    assert edited(said, Edit(add=("cat",)))["without"] == ["blurred"]
    assert edited(said, Edit(rating=None, caption=None)).keys() == {"tags", "without"}
    assert edited(said, Edit(back=True, rating=0)) == {"rating": 0}
    assert edited({}, Edit(add=("x",), remove=("x",))) == {"tags": ["x"]}


def test_edits_are_kept_and_wait_until_they_arrived(library: Library, url: str) -> None:
    assert library.said([A]) == {}
    assert library.edit({A: "pets", B: "pets"}, Edit(add=("cat",))) == {
        A: {"tags": ["cat"]},
        B: {"tags": ["cat"]},
    }
    before = library.changes
    library.edit({A: "pets"}, Edit(rating=5))
    assert library.changes != before
    assert [row.image_id for row in library.waiting()] == [B, A]
    rows = library.waiting()
    library.edit({A: "pets"}, Edit(rating=4))
    library.arrived(rows)
    [left] = library.waiting()  # it was edited since
    assert (left.image_id, left.said, left.revision) == (A, {"tags": ["cat"], "rating": 4}, 3)
    before, at = library.changes, time.time()
    assert library.arrived_since(at, 10) == []
    library.arrived([left])
    assert library.changes != before  # what was answered before it arrived is out of date
    assert [row.image_id for row in library.arrived_since(at, 10)] == [A]
    again = Library(url)
    try:
        assert again.said([A, B, C]) == {A: {"tags": ["cat"], "rating": 4}, B: {"tags": ["cat"]}}
        assert again.waiting() == []
        again.wait_again(left_time := time.time() + 60)
        assert again.waiting() == []
        again.wait_again(left_time - 3600)
        assert len(again.waiting()) == 2
        again.edit({A: "pets"}, Edit(back=True))
        assert [row.image_id for row in again.all("pets")] == [B]
        assert list(again.all("cars")) == []
        again.forget([B])
        assert list(again.all()) == []
    finally:
        again.close()


def test_nothing_of_many_edits_at_once_is_lost(library: Library, url: str) -> None:
    def edit(number: int) -> None:
        own = Library(url)
        for turn in range(10):
            own.edit({A: "pets", B: "pets"}, Edit(add=(f"{number}-{turn}",)))
        own.close()

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = {f"{number}-{turn}" for number in range(4) for turn in range(10)}
    said = library.said([A, B])
    assert {*said[A]["tags"]} == {*said[B]["tags"]} == every
    assert library.rows([A])[0].revision == 40


def test_a_killed_edit_is_whole_or_not_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'library.db'}"
    code = f"""
import os
from pdray.library import library, statements
from pdray.library.edits import Edit
made = library.Library({url!r})
made.edit({{{A!r}: "pets"}}, Edit(rating=1))
real = statements.edited
def dies(said, edit):
    if edit.rating == 3 and said: os._exit(9)
    return real(said, edit)
statements.edited = dies
made.edit({{{B!r}: "pets", {A!r}: "pets"}}, Edit(rating=3))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    made = Library(url)
    assert made.said([A, B]) == {A: {"rating": 1}}
    made.close()


def test_looking_at_nothing_imports_no_sql(tmp_path: Path) -> None:
    code = f"""
import sys
from pdray.library.library import Library
Library("sqlite:///{tmp_path / "library.db"}").said(["a"])
print("sqlalchemy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_looking_makes_no_file(tmp_path: Path) -> None:
    made = Library(f"sqlite:///{tmp_path / 'library.db'}")
    assert (made.said([A]), made.waiting(), list(made.all())) == ({}, [], [])
    made.forget([A])
    made.wait_again(0)
    assert list(tmp_path.iterdir()) == []


def test_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'library.db'}"
    monkeypatch.setattr("pdray.library.database.FORMAT", 2)
    Library(url).edit({A: "pets"}, Edit(rating=1))
    monkeypatch.undo()
    with pytest.raises(LibraryUnavailable, match="format 2, of a newer pdray"):
        Library(url).said([A])


def test_a_database_that_is_away_gets_one_sentence_without_its_password() -> None:
    gone = Library(f"postgresql://pdray:{PASSWORD}@127.0.0.1:{free_port()}/db")
    with pytest.raises(LibraryUnavailable) as raised:
        gone.said([A])
    assert "can't be asked" in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_that_cant_be_written_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = Library(f"sqlite:///{tmp_path / 'file' / 'library.db'}")
    with pytest.raises(LibraryUnavailable, match="can't be asked"):
        blocked.edit({A: "pets"}, Edit(rating=1))
