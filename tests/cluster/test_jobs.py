"""jobs/ on a real head: submitted, stopped, killed, submitted again; nothing secret is seen."""

import json
import subprocess
import sys

import fsspec
import psutil
import pytest

from pdray.catalog import runs
from pdray.catalog.catalog import Catalog
from pdray.samples.collection import write_collection
from tests.cluster.conftest import ROOT, Head, wait_until
from tests.conftest import S3Server
from tests.qdrant_http import QdrantHttp

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

IMAGES = 240
UNIT = 4
AT = "s3://jobs"


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A bucket with scenes."""
    photos = tmp_path_factory.mktemp("photos")
    write_collection(photos, IMAGES, 3, sides=(200, 300))
    store = fsspec.filesystem("s3", **s3_server.options)
    store.mkdir(AT)
    store.put(f"{photos}/", f"{AT}/photos/", recursive=True)
    return f"{AT}/photos"


def submit(head: Head, name: str, *words: str, wait: bool = False) -> str:
    """`ray job submit` as the files of jobs/ say it."""
    options = ["--submission-id", name, "--working-dir", "."]
    options += ["--runtime-env", "jobs/runtime_env.yaml", *([] if wait else ["--no-wait"])]
    return head.ray("job", "submit", *options, "--", sys.executable, *words)


def state(head: Head, name: str) -> str:
    """As the dashboard tells it."""
    return str(json.loads(head.dashboard(f"/api/jobs/{name}"))["status"])


def driver(script: str) -> psutil.Process | None:
    """The process that runs a job's file."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if script in words and sys.executable in words:
            return process
    return None


def test_jobs_are_stopped_killed_and_go_on_and_nothing_secret_is_seen(
    head: Head, bucket: str, s3: S3Server
) -> None:
    workspace = f"{AT}/pdray"
    with QdrantHttp() as qdrant:
        where = ["--workspace", workspace, "--qdrant-url", qdrant.url]
        ingest = ["jobs/ingest.py", bucket, *where, "--model", "builtin"]
        ingest += ["--ingest-unit-size", str(UNIT), "--json"]

        submit(head, "stopped", *ingest)
        wait_until(lambda: committed(workspace) >= 2, "two units")
        # As people look: from another machine, by the workspace alone.
        told = runs.recent(Catalog.open(workspace), 1, None)[0]
        assert told.live
        assert told.progress is not None
        head.ray("job", "stop", "stopped")
        assert state(head, "stopped") == "STOPPED"
        assert "finishing the units in flight" in head.ray("job", "logs", "stopped")
        assert runs.read(Catalog.open(workspace), told.run_id).state == "cancelled"
        first = committed(workspace)
        assert first < IMAGES // UNIT

        submit(head, "killed", *ingest)
        wait_until(lambda: committed(workspace) >= first + 2, "two units more")
        found = driver("jobs/ingest.py")
        assert found is not None
        found.kill()
        wait_until(lambda: state(head, "killed") == "FAILED", "the end of what was killed")
        second = committed(workspace)
        assert second < IMAGES // UNIT

        said = submit(head, "whole", *ingest, wait=True)
        assert '"indexed"' in said
        report = runs.recent(Catalog.open(workspace), 1, None)[0].report
        assert report is not None
        assert report["state"] == "completed"
        # What was committed is not read again: at most what was in hand is, a unit a process.
        assert report["read"] <= IMAGES - UNIT * second + 2 * UNIT
        assert report["failed"] == 0

        said = submit(head, "verified", "jobs/verify.py", *where, wait=True)
        assert f"{IMAGES} images of default" in said
        qdrant.client.delete_collection(qdrant.client.get_collections().collections[0].name)
        assert "missing" in head_says_no(head, "broken", "jobs/verify.py", *where)
        said = submit(head, "rebuilt", "jobs/rebuild.py", *where, wait=True)
        assert f"{IMAGES} images" in said
        said = submit(head, "compacted", "jobs/compact.py", *where, wait=True)
        assert "default" in said
        said = submit(head, "backed", "jobs/backup.py", f"{AT}/copy", *where, wait=True)
        assert "is whole" in said

    assert_hidden(head, s3, workspace)


def head_says_no(head: Head, name: str, *words: str) -> str:
    """A job that ends with an exit code; gives its log."""
    options = ["--submission-id", name, "--working-dir", "."]
    head.ray("job", "submit", *options, "--", sys.executable, *words, expect=1)
    assert state(head, name) == "FAILED"
    assert "exit code 1" in head.dashboard(f"/api/jobs/{name}")
    return head.ray("job", "logs", name)


def assert_hidden(head: Head, s3: S3Server, workspace: str) -> None:
    """No secret stands in what the dashboard tells, in any log, in the catalog or its copy."""
    places = {"/api/jobs/": head.dashboard("/api/jobs/").encode()}
    logs = [path for path in (head.folder / "r").rglob("*") if path.is_file()]
    places |= {str(path): path.read_bytes() for path in logs if "logs" in path.parts}
    store = fsspec.filesystem("s3", **s3.options)
    objects = [path for at in (workspace, f"{AT}/copy") for path in store.find(at)]
    places |= {path: store.cat_file(path) for path in objects if "thumbs" not in path}
    assert any("job-driver-whole" in place for place in places)
    assert any("/runs/" in place for place in places)
    for place, content in places.items():
        for secret in head.secrets:
            assert secret.encode() not in content, f"{place} shows a secret"


def committed(workspace: str) -> int:
    """Units that are in the catalog."""
    store = fsspec.filesystem("s3")
    store.invalidate_cache()
    return len(store.glob(f"{workspace}/collections/default/rows/*"))


def test_who_has_no_token_submits_nothing(head: Head) -> None:
    without = {**head.environment, "RAY_AUTH_TOKEN_PATH": "/nonexistent", "HOME": "/nonexistent"}
    ended = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", "job", "list"],
        env={**without, "RAY_AUTH_MODE": "disabled"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode != 0
    assert "token authentication is enabled" in ended.stdout + ended.stderr
