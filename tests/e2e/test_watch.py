"""`pdray index --watch` as a service has it: it notices, waits for others, bears with trouble."""

import json
import shutil
import signal
from collections.abc import Iterator

import psutil
import pytest

from pdray.catalog import lease
from pdray.catalog.catalog import Catalog

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


@pytest.fixture
def watching(starting, one_ray, tmp_path):
    """A watch of an empty folder that looks by itself once an hour: of changes it is told."""
    photos = tmp_path / "photos"
    photos.mkdir()
    call = ("index", photos, "-w", tmp_path / "w", "--model", "builtin", "--json")
    process = starting(*call, "--watch", "--every", 3600, **one_ray)
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def documents(process) -> Iterator[dict]:
    for line in process.stdout:
        yield json.loads(line)


def until_it_says(process, words: str) -> None:
    for line in process.stderr:
        assert "Traceback" not in line
        if words in line:
            return
    raise AssertionError(f"it never said: {words}")


def test_a_collection_is_kept_current_until_ctrl_c(watching, indexed, tmp_path):
    photos, told = tmp_path / "photos", documents(watching)
    assert next(told)["seen"] == 0

    album = tmp_path / "album"
    album.mkdir()
    for number in range(1, 5):
        shutil.copy(indexed.photos / f"scene-{number:06}.jpg", album)
    album.rename(photos / "album")
    assert next(told)["indexed"] == 4

    catalog = Catalog.open(str(tmp_path / "w"))
    with lease.hold(catalog, "default", "another run"):
        (photos / "album" / "scene-000001.jpg").unlink()
        until_it_says(watching, "Run another run")
    assert next(told)["deleted"] == 1

    photos.rename(tmp_path / "elsewhere")
    until_it_says(watching, "does not exist; check the path. Looking again in 2 s.")
    (tmp_path / "elsewhere" / "album").rename(tmp_path / "elsewhere" / "renamed")
    (tmp_path / "elsewhere").rename(photos)
    assert next(told)["moved"] == 3

    # Ray and models come and go in processes of their own, and idle looks leave no record.
    assert psutil.Process(watching.pid).memory_info().rss < 300e6
    assert len(list((tmp_path / "w" / "runs").iterdir())) == 4
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=60)
    assert (watching.returncode, out) == (0, "")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--every", "5"), "--watch"), (("--watch", "--dry-run"), "--watch"),
     (("--watch", "--every", "-1"), "above 0")],
)  # fmt: skip
def test_what_makes_no_sense_with_a_watch_is_wrong_usage(indexed, pdray, words, said):
    wrong = pdray("index", indexed.photos, "-w", indexed.workspace, *words, expect=2)
    assert said in wrong.sentence


def test_a_watch_of_what_is_not_there_ends_at_once(pdray, tmp_path):
    none = pdray("index", tmp_path / "none", "-w", tmp_path / "w", "--watch", expect=1)
    assert "does not exist" in none.sentence
