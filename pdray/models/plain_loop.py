"""The loop that transformers' documentation leads to: what the benchmark measures pdray against."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPModel


def images_per_second(folder: Path, model: Path, batch: int = 32) -> float:
    """fp32, PIL and CLIPImageProcessor, over the JPEGs of a folder in batches.

    From the first file touched to the last vector stored; loading the model is not counted.
    """
    clip = CLIPModel.from_pretrained(model).eval()
    processor = CLIPImageProcessor.from_pretrained(model)
    files = sorted(folder.glob("*.jpg"))
    vectors = []
    with torch.inference_mode(), tempfile.TemporaryFile() as sink:
        clip.get_image_features(**processor([Image.new("RGB", (64, 64))], return_tensors="pt"))
        started = time.perf_counter()
        for start in range(0, len(files), batch):
            images = [Image.open(file).convert("RGB") for file in files[start : start + batch]]
            inputs = processor(images, return_tensors="pt")
            found = clip.get_image_features(**inputs).pooler_output
            vectors.append((found / found.norm(dim=-1, keepdim=True)).numpy())
        np.save(sink, np.concatenate(vectors))
        return len(files) / (time.perf_counter() - started)
