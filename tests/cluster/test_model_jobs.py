"""jobs/finetune.py and jobs/switch.py on a real head: a model is taught, serves, and goes again."""

import json
from pathlib import Path
from typing import Any

import pytest

from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.models.random_weights import write_random_clip
from pdray.samples.collection import write_collection
from tests.cluster.conftest import Head
from tests.cluster.test_jobs import submit
from tests.served import make

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def document(said: str) -> Any:
    """What a job printed by --json, among what `ray job submit` says itself."""
    start = said.index("\n{") + 1
    return json.JSONDecoder().raw_decode(said, start)[0]


def test_a_job_teaches_a_model_others_give_it_to_a_collection_and_take_it_away(
    head: Head, tmp_path: Path
) -> None:
    made = make(tmp_path)
    captions = write_collection(tmp_path / "taught", 60, 31, sides=(100, 160)).captions
    plain = write_random_clip(tmp_path / "plain", architecture="tiny")
    ours, where = tmp_path / "ours", ["--workspace", str(made.workspace), "--json"]

    tune = ["jobs/finetune.py", str(captions), str(ours), "--model", str(plain), "--json"]
    said = submit(head, "tuned", *tune, "--steps", "3", "--batch", "12", wait=True)
    told = document(said)
    assert (told["model"], told["steps"]) == (str(ours), 3)

    serving = ["builtin"]
    for name, *words in (("switched", str(ours)), ("back", "--rollback")):
        told = document(submit(head, name, "jobs/switch.py", *words, *where, wait=True))
        assert (told["switched"], told["missing"], told["before"]) == (True, 0, serving[-1])
        assert told["report"]["embedded"] == (0 if name == "back" else made.count)
        now = pointer.current(Catalog.open(str(made.workspace)), "default")
        assert now is not None
        assert now.spec.name == told["after"]
        serving.append(told["after"])
        verified = document(submit(head, f"{name}-verified", "jobs/verify.py", *where, wait=True))
        assert verified["agrees"]
    assert serving == ["builtin", str(ours), "builtin"]
