"""Every folder can be come to, however many there are."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from PIL import Image
from starlette.testclient import TestClient

from pdray.serve.foldering import Tree
from tests.served import Made, commit
from tests.unit.test_serve_api import API, post, problem
from tests.unit.test_serve_collections import picture
from tests.waiting import until

DAYS = 230  # more than a facet names
BEST = 'the "best"'
TAGGED = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">
<rdf:Description><dc:subject><rdf:Bag><rdf:li>Old Harbour</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.fixture(scope="module")
def nested(client: TestClient, made: Made, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a folder of days, in a collection of its own."""
    home = tmp_path_factory.mktemp("nested") / "My photos"
    for day in range(DAYS):
        folder = home / "days" / f"Day {day}"
        folder.mkdir(parents=True)
        (folder / "x.png").write_bytes(picture(day % 250, 12))
    (home / "days" / "Day 7" / BEST).mkdir()
    (home / "days" / "Day 7" / BEST / "y.png").write_bytes(picture(7, 13))
    (home / "top.png").write_bytes(picture(9, 14))
    for shade in (40, 140, 240):
        Image.new("RGB", (15, 15), (9, shade, 9)).save(home / f"{shade}.jpg", xmp=TAGGED)
    commit(home, made.workspace, "nested")
    named = {"collection": "nested"}
    until(lambda: client.get(f"{API}/images", params=named).json().get("images"), "the images")
    return home.as_uri()


def folders(client: TestClient, **asked: object) -> Iterator[tuple[str, int, int]]:
    cursor = None
    while True:
        params = {"collection": "nested", **asked, **({"cursor": cursor} if cursor else {})}
        answered = client.get(f"{API}/folders", params=params)
        assert answered.status_code == 200, answered.text
        page = answered.json()
        for one in page["folders"]:
            yield one["name"], one["count"], one["folders"]
        if (cursor := page["next_cursor"]) is None:
            return


def test_a_level_has_all_its_folders_by_name(client: TestClient, nested: str) -> None:
    assert list(folders(client)) == [("My photos", DAYS + 5, 1)]
    assert list(folders(client, within=nested)) == [("days", DAYS + 1, DAYS)]
    days = list(folders(client, within=f"{nested}/days", limit=100))
    assert [name for name, _, _ in days] == [f"Day {n}" for n in range(DAYS)]
    assert days[7] == ("Day 7", 2, 1)
    assert list(folders(client, within=f"{nested}/none")) == []


def test_a_folder_is_found_by_its_name(client: TestClient, nested: str) -> None:
    assert list(folders(client, find="day 229")) == [("Day 229", 1, 0)]
    assert len(list(folders(client, find="DAY 2", limit=50))) == 1 + 10 + 30
    assert list(folders(client, find="best", within=f"{nested}/days/Day%207"))
    assert list(folders(client, find="best", within=f"{nested}/days/Day%208")) == []


def test_conditions_narrow_the_folders(client: TestClient, nested: str) -> None:
    assert list(folders(client, q="width:14")) == [("My photos", 1, 0)]
    assert list(folders(client, q="taken:1999")) == []


def test_an_address_means_its_folder_alone(client: TestClient, nested: str) -> None:
    for folder in (f"{nested}/days/Day%207", f"{nested}/days/Day%207/{quote(BEST)}"):
        params = {"collection": "nested", "q": f"folder:{folder}"}
        page = client.get(f"{API}/images", params=params).json()
        assert page["notes"] == []
        assert {image["folder"] for image in page["images"]} >= {folder}
    assert problem(client.get(f"{API}/folders", params={"cursor": "x"})) == (400, "bad-cursor")


def test_values_are_found_beyond_those_that_a_facet_names(client: TestClient, nested: str) -> None:
    asked = {"collection": "nested", "field": "folders"}
    usual = client.get(f"{API}/facets", params=asked).json()["facets"]["folders"]
    assert len(usual) == 200
    params = {**asked, "find": "day 229"}
    [found] = client.get(f"{API}/facets", params=params).json()["facets"]["folders"]
    assert found == {"value": f"{nested}/days/Day%20229", "count": 1}
    more = client.get(f"{API}/facets", params={**asked, "limit": 1000}).json()["facets"]
    assert len(more["folders"]) >= DAYS + 3


def test_roots_that_only_lead_on_are_passed_by() -> None:
    tree = Tree({"s3://b": 3, "s3://b/a": 3, "s3://b/a/x": 1, "s3://b/a/y": 2, "file:///z": 4})
    assert tree.level("") == ["s3://b/a", "file:///z"]
    assert tree.level("s3://b/a") == ["s3://b/a/x", "s3://b/a/y"]


@pytest.mark.parametrize("words", ["old harbour", "the Old Harbour"])
def test_images_with_the_very_tag_come_before_hundreds_that_look_so(
    client: TestClient, nested: str, words: str
) -> None:
    hits = post(client, text=words, collection="nested", limit=4)["hits"]
    assert [hit["tags"] for hit in hits] == [*[["Old Harbour"]] * 3, []]
