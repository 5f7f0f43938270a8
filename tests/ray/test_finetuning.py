"""Fine-tuning by several processes of Ray."""

import json
from pathlib import Path

import pytest

from pdray.evaluation.reading import read_captions
from pdray.ingest.joining import connected
from pdray.models.resolve import resolve
from pdray.samples.collection import write_collection
from pdray.training.compose import finetune_together
from pdray.training.finetuning import Tuning
from pdray.training.loop import Progress

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


def test_two_workers_teach_a_model_that_loads(tmp_path: Path) -> None:
    made = write_collection(tmp_path / "said", 40, 3, sides=(60, 90), spanish=True)
    seen: list[Progress] = []
    out = tmp_path / "model"
    with connected(None):
        found = finetune_together(
            2,
            resolve("builtin"),
            read_captions(made.captions),
            out,
            on_progress=seen.append,
            steps=4,
            seed=0,
            threads=1,
            device="cpu",
            tuning=Tuning(batch=16, looks=2, held_out=0.25),
        )
    assert found["steps"] == 4
    assert found["held_out"] == 10
    assert [one.step for one in seen] == [1, 2, 3, 4]
    about = json.loads((out / "finetuning.json").read_text("utf-8"))
    assert about["steps"] == 4
    assert resolve(str(out)).dim == resolve("builtin").dim
    left = {path.name for path in out.iterdir()}
    assert not left & {"ray-train", "training.pt", "training.of", "pictures-taught.npy"}
