"""What people say of images: out as captions to learn from and judge by, into backups and back."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pdray.catalog.catalog import Catalog
from pdray.catalog.store import Store
from pdray.catalog.view import live_versions
from pdray.cli.output import console, print_json
from pdray.config import Settings, load
from pdray.errors import UsageError
from pdray.ingest.target import library_url
from pdray.library.library import Library
from pdray.library.rows import Row
from pdray.sources.uri import to_path

PEOPLE = "people.jsonl"  # in a backup


def run_corrections(flags: dict[str, Any], out: Path, as_json: bool) -> None:
    """The command `corrections`."""
    settings = load(flags)
    catalog = Catalog.open(settings.workspace)
    with Library(library_url(settings)) as library:
        said = {
            row.image_id: row.said["caption"]
            for row in library.all(settings.collection)
            if "caption" in row.said
        }
    lines, elsewhere = [], 0
    for image_id, uri, *_ in live_versions(catalog, settings.collection):
        if image_id in said:
            if not uri.startswith("file:") or "!/" in uri:
                elsewhere += 1
                continue
            entry = {"file": to_path(uri), "caption": said[image_id]}
            lines.append(json.dumps(entry, ensure_ascii=False))
    if not lines:
        raise UsageError(
            f"No image of collection {settings.collection!r} that lies in a folder here has a "
            "caption that people corrected: correct some on the page."
        )
    try:
        out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} can't be written ({error.strerror}): name another.") from error
    if as_json:
        print_json({"file": str(out), "captions": len(lines), "elsewhere": elsewhere})
        return
    many = "1 caption" if len(lines) == 1 else f"{len(lines)} captions"
    console.print(f"Wrote {many} to {out}, for `pdray finetune` and `pdray eval captions`.")
    if elsewhere:
        console.print(f"Left out: {elsewhere} of images in buckets or shards.")


def written(settings: Settings) -> bytes:
    """All that people say in a workspace, as lines."""
    with Library(library_url(settings)) as library:
        lines = [json.dumps(asdict(row), ensure_ascii=False) for row in library.all()]
    return "".join(f"{line}\n" for line in lines).encode()


def brought_back(settings: Settings, source: Store) -> None:
    """Puts the lines of a backup into the workspace's library; older backups have none."""
    try:
        data = source.read(PEOPLE)
    except FileNotFoundError:
        return
    if data:
        with Library(library_url(settings)) as library:
            library.put(_rows(data))


def _rows(data: bytes) -> Iterator[Row]:
    for line in data.decode().split("\n"):
        if line:
            yield Row(**json.loads(line))
