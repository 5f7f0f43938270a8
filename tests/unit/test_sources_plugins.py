"""A source of another package, as the README shows it."""

import re
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest
from PIL import Image

from pdray.errors import SourceError
from pdray.records import Failure, ImageRef
from pdray.sources import Content, open_source

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The README's example as an installed package that names itself in its entry points."""
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    site = tmp_path / "site"
    info = site / "my_lists-1.dist-info"
    info.mkdir(parents=True)
    (site / "my_lists.py").write_text(example, "utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lists\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[pdray.sources]\nlist = my_lists:AnyList\ns3 = my_lists:PathList\n"
    )
    (site / "my_lists.py").write_text(
        example
        + "\n\nclass AnyList(PathList):\n    @classmethod\n    def at(cls, location, *more):\n"
        '        return super().at(location.removeprefix("list:"), *more)\n'
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "my_lists", raising=False)
    return site


@pytest.mark.parametrize("way", ["my_lists:PathList={}", "list:{}"])
def test_the_readmes_example_lists_and_reads(package: Path, tmp_path: Path, way: str) -> None:
    image = tmp_path / "a ü.png"
    Image.new("L", (3, 3)).save(image)
    names = tmp_path / "list.txt"
    names.write_text(f"{image}\n{tmp_path}/gone.png\n", "utf-8")
    source = open_source(way.format(names))
    ref, gone = source.list()
    assert isinstance(ref, ImageRef)
    assert isinstance(gone, Failure)
    assert ref.uri.startswith(source.root)
    assert source.covers(ref.uri)
    (found,) = source.fetch([ref])
    assert isinstance(found, Content)
    assert found.data == image.read_bytes()


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("no_such_package:Source=/x", "No module named"),
        ("my_lists:Nothing=/x", "Nothing"),
        ("my_lists:Path=/x", "at"),
        ("pathlib:PurePath=/x", "can't be opened"),
    ],
)
def test_a_plugin_that_is_none_is_one_sentence(package: Path, location: str, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(location)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_package_cannot_take_over_the_schemes_of_pdray(package: Path, s3: Any) -> None:
    fsspec.filesystem("s3", **s3.options).mkdir("ours")
    assert open_source("s3://ours").root == "s3://ours/"


def test_a_file_whose_name_looks_like_a_plugin_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a:b=c.png", "list:x.png"):
        (tmp_path / name).write_bytes(b"x")
        assert len(list(open_source(name).list())) == 1
