"""Our decode, resize and normalisation, end to end, against each model's own image processor."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image, ImageDraw, ImageOps

from pdray.images import decode_pixels
from pdray.models.encoder import DualEncoder
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import resolve

PROCESSORS: dict[str, dict[str, object]] = {
    "shortest edge and crop": {"size": 224, "crop_size": 224},
    "larger edge, bilinear": {"size": {"shortest_edge": 256}, "crop_size": 224, "resample": 2},
    "both sides": {
        "size": {"height": 224, "width": 224},
        "do_center_crop": False,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    },
}


def scene(width: int, height: int, seed: int) -> Image.Image:
    """Soft background, hard edges and grain: what photographs are made of."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        reach = int(random.integers(min(width, height) // 20, min(width, height) // 3))
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((x, y, x + reach, y + reach // 2), fill=colour)
    grain = random.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def rotated(orientation: int) -> dict[str, object]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    return [
        jpeg(scene(1024, 768, 1), quality=90),
        jpeg(scene(768, 1024, 2), quality=75, progressive=True),
        jpeg(scene(2400, 1600, 3), quality=85),
        jpeg(scene(1999, 1333, 4), quality=95, subsampling=0),
        jpeg(scene(301, 640, 5), quality=60),
        jpeg(scene(227, 225, 6), quality=90),
        jpeg(scene(150, 100, 7), quality=90),
        jpeg(scene(800, 640, 8).convert("L"), quality=90),
        jpeg(scene(1200, 900, 9), quality=85, **rotated(6)),
        jpeg(scene(1200, 900, 10), quality=85, **rotated(4)),
    ]


@pytest.fixture(scope="module", params=PROCESSORS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random ViT of 224 pixels with the processor of the case."""
    path = write_random_clip(tmp_path_factory.mktemp("model"), architecture="tiny-224")
    kind = {"image_processor_type": "CLIPImageProcessor"}
    (path / "preprocessor_config.json").write_text(json.dumps(kind | PROCESSORS[request.param]))
    return path


def reference(folder: Path, files: list[bytes]) -> np.ndarray:
    """Vectors as transformers alone makes them, from full decodes turned upright."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = transformers.AutoModel.from_pretrained(folder)
    images = [ImageOps.exif_transpose(Image.open(io.BytesIO(data))) for data in files]
    inputs = processor(images=[image.convert("RGB") for image in images], return_tensors="pt")
    with torch.inference_mode():
        vectors = model.get_image_features(**inputs).pooler_output
    return torch.nn.functional.normalize(vectors, dim=-1).numpy()


def test_vectors_from_our_pixels_are_those_of_the_models_own_processor(
    folder: Path, files: list[bytes]
):
    encoder = DualEncoder(resolve(str(folder)), device="cpu", precision="fp32", towers="image")
    pixels = [decode_pixels(data, encoder.spec.preprocessing) for data in files]
    found = encoder.encode_pixels(np.stack(pixels))
    expected = reference(folder, files)
    similar = found @ expected.T
    assert similar.diagonal().min() > 0.999
    others = similar[~np.eye(len(files), dtype=bool)]
    assert others.max() < 0.99, "the model must tell these images apart for the test to mean much"


def test_pixels_of_small_files_are_those_of_the_models_own_processor(
    folder: Path, files: list[bytes]
):
    # Vectors of a random model hardly tell one resampling filter from another; pixels do. Small
    # files only: a large JPEG is decoded at a fraction of its size, which is near, not equal.
    # A wrong filter moves 2 to 25 pixels in a hundred by more than one level.
    rule = resolve(str(folder)).preprocessing
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    for data in files[4:8]:
        inputs = processor(
            images=Image.open(io.BytesIO(data)).convert("RGB"),
            do_rescale=False,
            do_normalize=False,
            return_tensors="np",
        )
        expected = inputs["pixel_values"][0].transpose(1, 2, 0)
        difference = np.abs(decode_pixels(data, rule) - expected.astype(np.float32))
        assert (difference > 1).mean() < 0.001
