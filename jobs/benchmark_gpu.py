"""Measures models and decoding on a GPU, beside what its matrix products allow. Needs no Ray.

python jobs/benchmark_gpu.py --save gpu.json
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # on a bare machine pdray is a folder

from pdray.errors import PdrayError
from pdray.training import gpu_benchmark

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, prog="python jobs/benchmark_gpu.py")
    parser.add_argument("--out", type=Path, default=Path("benchmark"), help="Keeps the models.")
    parser.add_argument("--models", default=",".join(gpu_benchmark.MODELS), help="By commas.")
    parser.add_argument("--quantised", default="ViT-L/14", help="Whose memory; empty: of none.")
    parser.add_argument("--no-captions", action="store_true", help="Leave the captioner out.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=256, help="Images that pass together.")
    parser.add_argument("--seconds", type=float, default=2.0, help="For each figure.")
    parser.add_argument("--save", type=Path, help="Keep the figures, as JSON, after each part.")
    said = parser.parse_args()
    try:
        gpu_benchmark.run(
            said.out,
            models=said.models.split(","),
            quantised=said.quantised or None,
            captioner=not said.no_captions,
            device=said.device,
            batch=said.batch,
            seconds=said.seconds,
            saved=said.save,
        )
    except PdrayError as error:
        sys.exit(f"pdray: {error}")
