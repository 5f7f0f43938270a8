"""Fine-tuning by several processes at once, which Ray Train places on a cluster's GPUs or cores."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import ray
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device
from ray.util.queue import Queue

from pdray.errors import IngestError
from pdray.evaluation.reading import Captioned
from pdray.records import CaptionerSpec, ModelSpec
from pdray.training.finetuning import ABOUT, finetune, prepare
from pdray.training.group import Together
from pdray.training.loop import Progress

_PLACE = "ray-train"  # in the new model's folder, while it goes on
_AGAIN = 3  # times that lost processes are started anew; each goes on from the last checkpoint


def workers_here() -> int:
    """One for each GPU of the Ray that this process is connected to; 1 where it has none."""
    return max(1, int(ray.cluster_resources().get("GPU", 0)))


def finetune_together(
    workers: int,
    spec: ModelSpec | CaptionerSpec,
    read: Captioned,
    out: Path,
    *,
    rehearse: Captioned | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """As `finetune`, by so many processes of the Ray that this one is connected to. `out` is a
    folder that all its nodes see. A process that is lost costs what came after the last checkpoint.
    """
    prepare(spec, read, out, rehearse, options["seed"], options["tuning"])
    place = out / _PLACE
    gpus = ray.cluster_resources().get("GPU", 0) >= workers and options.get("device") != "cpu"
    queue = Queue(actor_options={"num_cpus": 0})
    listener = Thread(target=_listen, args=(queue, on_progress), daemon=True)
    listener.start()
    trainer = TorchTrainer(
        _work,
        train_loop_config={"call": (spec, read, out, rehearse, options), "queue": queue},
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=gpus, resources_per_worker={"CPU": 1, "GPU": int(gpus)}
        ),
        run_config=RunConfig(
            name="finetune",
            storage_path=str(place.resolve()),
            failure_config=FailureConfig(max_failures=_AGAIN),
        ),
    )
    try:
        trainer.fit()
    except Exception as error:  # Ray Train has one of its own for each way to fail
        said = " ".join(str(error).split())[:300]
        raise IngestError(
            f"The training ended before it was done ({type(error).__name__}: {said}): run the same "
            "command again to go on from its last checkpoint."
        ) from error
    finally:
        queue.put(None)
        listener.join()
        queue.shutdown()
        shutil.rmtree(place, ignore_errors=True)
    about = json.loads((out / ABOUT).read_text("utf-8"))
    return {key: value for key, value in about.items() if key not in ("from", "fingerprint")}


def _listen(queue: Queue, on_progress: Callable[[Progress], None] | None) -> None:
    while (progress := queue.get()) is not None:
        if on_progress is not None:
            on_progress(progress)


def _work(config: dict[str, Any]) -> None:
    """One of the processes."""
    spec, read, out, rehearse, options = config["call"]
    device: torch.device = get_device()
    group = Together(device)
    if (out / ABOUT).exists():
        return  # all was done when another process was lost
    options = {**options, "device": str(device)}
    told = config["queue"].put if group.rank == 0 else None
    finetune(spec, read, out, rehearse=rehearse, on_progress=told, group=group, **options)
