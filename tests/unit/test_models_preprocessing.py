"""Reading preprocessor_config.json in the forms that models on the hub have."""

import json
from pathlib import Path

import pytest

from pdray.errors import ModelUnavailable
from pdray.models.preprocessing import parse_preprocessing, read_preprocessing

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


def test_bare_numbers_of_the_first_generation_mean_shortest_edge_and_square_crop():
    found = parse_preprocessing(
        {"size": 224, "crop_size": 224, "image_mean": CLIP_MEAN, "image_std": CLIP_STD}, "clip"
    )
    assert (found.mode, found.edge, found.height, found.width) == ("shortest-edge", 224, 224, 224)
    assert found.mean == tuple(CLIP_MEAN)
    assert found.std == tuple(CLIP_STD)


def test_an_edge_longer_than_the_crop_is_kept_apart_from_it():
    found = parse_preprocessing(
        {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 200}}, "clip"
    )
    assert (found.edge, found.height, found.width) == (256, 224, 200)


def test_a_clip_file_that_says_little_gets_its_class_defaults():
    found = parse_preprocessing({"image_processor_type": "CLIPImageProcessor"}, "clip")
    assert (found.mode, found.edge, found.resample) == ("shortest-edge", 224, 3)
    assert found.mean == tuple(CLIP_MEAN)


def test_height_and_width_without_crop_resize_exactly():
    found = parse_preprocessing(
        {"size": {"height": 384, "width": 384}, "resample": 2, "do_center_crop": None}, "siglip"
    )
    assert (found.mode, found.height, found.width, found.resample) == ("exact", 384, 384, 2)
    assert found.mean == (0.5, 0.5, 0.5)


def test_chinese_clip_resizes_exactly_where_its_file_switches_the_crop_off():
    found = parse_preprocessing(
        {"size": {"height": 224, "width": 224}, "crop_size": 224, "do_center_crop": False},
        "chinese_clip",
    )
    assert found.mode == "exact"
    assert found.mean == tuple(CLIP_MEAN)


@pytest.mark.parametrize(
    ("document", "expected_mean", "expected_std"),
    [
        ({"do_normalize": False}, 0.0, 1.0),
        ({"do_rescale": False, "image_mean": 127.5, "image_std": 127.5}, 0.5, 0.5),
        ({"rescale_factor": 1 / 127.5, "image_mean": 1.0, "image_std": 1.0}, 0.5, 0.5),
    ],
)
def test_unusual_rescaling_folds_into_mean_and_deviation(document, expected_mean, expected_std):
    found = parse_preprocessing(document, "siglip")
    assert found.mean == pytest.approx((expected_mean,) * 3)
    assert found.std == pytest.approx((expected_std,) * 3)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"do_resize": False}, "does not resize"),
        ({"size": {"shortest_edge": 224}, "do_center_crop": False}, "does not crop"),
        ({"size": {"shortest_edge": 224, "longest_edge": 448}}, "longest edge"),
        ({"size": "large"}, "size is 'large'"),
        ({"image_std": [0.5, 0.0, 0.5]}, "not positive"),
        ({"image_mean": [0.5, 0.5]}, "mean or standard deviation"),
    ],
)
def test_what_cannot_be_done_is_said(document, said):
    with pytest.raises(ValueError, match=said):
        parse_preprocessing(document, "clip")


def test_a_nested_processor_file_wins_over_the_older_one(tmp_path: Path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 224}))
    (tmp_path / "processor_config.json").write_text(
        json.dumps({"image_processor": {"size": {"shortest_edge": 336}, "crop_size": 336}})
    )
    assert read_preprocessing(tmp_path, "clip").edge == 336


def test_a_processor_file_without_image_part_leaves_the_older_one_in_force(tmp_path: Path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 240}))
    (tmp_path / "processor_config.json").write_text(json.dumps({"processor_class": "X"}))
    assert read_preprocessing(tmp_path, "clip").edge == 240


def test_an_impossible_file_is_named(tmp_path: Path):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({"do_resize": False}))
    with pytest.raises(ModelUnavailable, match=r"preprocessor_config\.json"):
        read_preprocessing(tmp_path, "clip")
