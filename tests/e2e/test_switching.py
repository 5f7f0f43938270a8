"""A collection gets another model, killed on the way, and goes back."""

import shutil

import pytest

from pdray.catalog.catalog import Catalog
from pdray.catalog.view import known_contents
from pdray.library.edits import Edit
from pdray.library.library import Library
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import resolve
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return write_random_clip(tmp_path_factory.mktemp("other"), architecture="tiny-224")


def model_of(pdray, workspace):
    """The model that serves, and how many images it finds."""
    (found,) = pdray("status", "-w", workspace, "--json").document["collections"]
    return found["model"], found["points"]


def test_a_killed_switch_goes_on_and_the_way_back_embeds_nothing(
    copied, pdray, starting, one_ray, other, ids_of
):
    count, workspace = len(copied.ids), copied.workspace
    call = ("models", "switch", other, "-w", workspace, "--json")
    catalog, space = Catalog.open(str(workspace)), resolve(str(other)).space
    small = {"PDRAY_INGEST_UNIT_SIZE": "16", **one_ray}
    with starting(*call, **small) as process:
        until(lambda: catalog.embedding_parts(space), "the first vectors")
        process.kill()
    library = Library(f"sqlite:///{workspace / 'state' / 'library.db'}")
    edited = {min(copied.ids.values()): "default"}
    library.edit(edited, Edit(add=("early",), rating=1))
    done = len(known_contents(catalog, space))
    assert 0 < done < count
    assert model_of(pdray, workspace) == ("builtin", count)

    report = pdray(*call, **small).document
    assert report["switched"]
    assert (report["missing"], report["report"]["failed"]) == (0, 0)
    assert 0 < report["report"]["embedded"] <= count - done
    assert report["agreement"]["images"] == count
    assert model_of(pdray, workspace) == (str(other), count)
    assert ids_of(workspace) == copied.ids
    assert pdray("verify", "-w", workspace, "--json").document["agrees"]
    assert not pdray(*call).document["switched"]

    library.edit(edited, Edit(add=("late",), remove=("early",)))
    back = pdray("models", "switch", "--rollback", "-w", workspace, "--json").document
    assert back["switched"]
    assert (back["after"], back["report"]["embedded"]) == ("builtin", 0)
    # What people said is in either index, also since the other served.
    assert pdray("verify", "-w", workspace, "--json").document["agrees"]
    assert model_of(pdray, workspace) == ("builtin", count)
    assert ids_of(workspace) == copied.ids


def test_nothing_moves_while_images_would_go_missing(copied, pdray, one_ray, other):
    files = sorted(copied.photos.glob("*.jpg"))
    aside = copied.workspace.parent / "aside"
    shutil.move(files[0], aside)
    changed = files[1].read_bytes()
    try:
        files[1].write_bytes(files[2].read_bytes())
        call = ("models", "switch", other, "-w", copied.workspace)
        refused = pdray(*call, "--json", expect=1, **one_ray).document
        assert (refused["switched"], refused["missing"]) == (False, 2)
        assert refused["report"]["failed"] == 2
        assert "2 images have no vector" in pdray(*call, expect=1, **one_ray).out
        assert model_of(pdray, copied.workspace)[0] == "builtin"
        pdray(*call, "--allow-missing", **one_ray)
        assert model_of(pdray, copied.workspace) == (str(other), len(copied.ids) - 2)
    finally:
        shutil.move(aside, files[0])
        files[1].write_bytes(changed)


def test_a_switch_needs_a_model_or_a_way_back(copied, pdray):
    said = pdray("models", "switch", "-w", copied.workspace, expect=2).sentence
    assert said.startswith("Name the model to switch to, or --rollback alone")
    said = pdray("models", "switch", "--rollback", "-w", copied.workspace, expect=1).sentence
    assert said == "Collection 'default' never had another model than builtin."
