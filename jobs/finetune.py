"""Teaches a CLIP, or with --captioner a BLIP, what people say of their own images.

ray job submit --working-dir . --entrypoint-num-gpus 1 -- \\
  python jobs/finetune.py /shared/said.jsonl /shared/our-clip --model openai/clip-vit-large-patch14
"""

from argparse import Namespace
from pathlib import Path

from pdray.cli.job import Flags, Job
from pdray.cli.tuning import run_finetune


def work(settings: Flags, said: Namespace) -> None:
    taught = {"batch": said.batch, "learning_rate": said.learning_rate, "lora": said.lora}
    limits = {"steps": said.steps, "minutes": said.minutes, "seed": 0}
    limits["device"] = settings.get("device", "auto")
    files = {"images": said.images, "split": said.split}
    model = settings.get("model")
    run_finetune(
        said.file, said.out, model, said.captioner, said.rehearse, files, taught, limits,
        said.workers, said.json,
    )  # fmt: skip


if __name__ == "__main__":
    job = Job(__doc__)
    job.takes("file", type=Path, metavar="FILE", help="captions.jsonl, or a Karpathy split.")
    job.takes("out", type=Path, metavar="OUT", help="Folder of the new model.")
    job.takes("--captioner", metavar="M", help="Teach this BLIP and no CLIP.")
    job.takes("--images", type=Path, help="Where FILE's files are.")
    job.takes("--rehearse", type=Path, help="Captions of what it must not forget.")
    job.takes("--split", help="One split of a .json.")
    job.takes("--steps", type=int).takes("--minutes", type=float)
    job.takes("--batch", type=int, default=128).takes("--learning-rate", type=float)
    job.takes("--workers", type=int, metavar="N", help="Processes on the cluster, a GPU each.")
    job.takes("--lora", type=int, metavar="RANK", help="Adapters alone learn.")
    job.run(work)
