"""Settings of sources reach the clients, and their secrets nothing else."""

import pickle
from pathlib import Path
from typing import Any

import fsspec

from pdray.config import load
from pdray.ingest.origins import open_sources, storage_of
from pdray.records import ImageRef


def test_a_bucket_is_read_by_settings_alone(s3_server: Any, tmp_path: Path) -> None:
    system = fsspec.filesystem("s3", **s3_server.options)
    system.mkdir("by-settings")
    system.pipe_file("by-settings/a.png", b"these bytes")
    system.pipe_file("by-settings/b.gif", b"x")
    settings = load(
        {
            "workspace": str(tmp_path),
            "sources_s3_endpoint": s3_server.endpoint,
            "sources_s3_region": "us-east-1",
            "sources_s3_key": "testing",
            "sources_s3_secret": "very-secret",
        }
    )
    (source,) = open_sources(settings, ["s3://by-settings"], exclude=["*.gif"])
    (ref,) = source.list()
    assert isinstance(ref, ImageRef)
    assert pickle.loads(pickle.dumps(source)).read(ref.uri) == b"these bytes"
    for shown in (repr(source), repr(settings), repr(storage_of(settings)), ref.uri):
        assert "very-secret" not in shown


def test_anonymous_is_said_to_each_cloud(tmp_path: Path) -> None:
    storage = storage_of(load({"workspace": str(tmp_path), "sources_anonymous": True}))
    assert storage.of("s3")["anon"] is True
    assert storage.of("gs") == {"token": "anon"}
