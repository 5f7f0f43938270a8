"""Measures ingestion on the node that runs the job, beside what its cores allow.

ray job submit --working-dir . --entrypoint-num-cpus 8 -- python jobs/benchmark.py --parts vit
"""

from argparse import Namespace
from pathlib import Path

from pdray.cli.benchmark import run_benchmark
from pdray.cli.job import Flags, Job


def work(settings: Flags, said: Namespace) -> None:
    run_benchmark(said.out, said.parts.split(","), said.scale, said.repeat, None, said.json)


if __name__ == "__main__":
    job = Job(__doc__)
    job.takes("--out", type=Path, default=Path("benchmark"), help="Folder to work in.")
    job.takes("--parts", default="vit", help="Of those of `pdray benchmark`, by commas.")
    job.takes("--scale", type=float, default=1.0, help="Of the numbers of images.")
    job.takes("--repeat", type=int, default=1, help="Measure each so often; the median is shown.")
    job.run(work)
