"""torch's resizing gives what Pillow's gives."""

import io

import numpy as np
import pytest
from PIL import Image

from pdray.images.examine import examine
from pdray.models.precision import cpu_flags
from pdray.models.resizing import fast_resize
from pdray.records import Preprocessing

RULES = [
    Preprocessing(64, 64, "shortest-edge", 64),
    Preprocessing(63, 65, "shortest-edge", 73),
    Preprocessing(48, 80, "exact", 48, resample=2),
    Preprocessing(32, 32, "shortest-edge", 32, resample=1),  # Lanczos, which torch has not
]


def photograph(width: int, height: int, mode: str = "RGB") -> bytes:
    rng = np.random.default_rng(width)
    small = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    sink = io.BytesIO()
    picture.convert(mode).save(sink, "JPEG", quality=90)
    return sink.getvalue()


@pytest.mark.skipif("avx2" not in cpu_flags(), reason="this CPU has no AVX2")
@pytest.mark.parametrize(
    "size", [(400, 300), (301, 517), (1023, 767), (70, 50), (64, 64), (40, 900)]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_it_gives_what_pillow_gives(size: tuple[int, int], mode: str) -> None:
    data = photograph(*size, mode)
    resize = fast_resize()
    assert resize is not None
    slow, fast = examine(data, RULES), examine(data, RULES, resize=resize)
    for rule in RULES:
        ours, theirs = (e.pixels[rule.pixel_key].astype(int) for e in (fast, slow))
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 2
        assert np.abs(ours - theirs).mean() < 0.3
    assert (fast.width, fast.height, fast.content_id) == (slow.width, slow.height, slow.content_id)
    shown = [np.asarray(Image.open(io.BytesIO(e.thumbnail)), int) for e in (fast, slow)]
    assert shown[0].shape == shown[1].shape
    # Pillow first halves by plain means what is more than twice too large; torch does not.
    assert np.abs(shown[0] - shown[1]).mean() < 5
