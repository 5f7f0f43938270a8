"""Dockerfile and Compose file, held by the tools that read them and by what is there."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ROOT
from tests.cluster.dockerfile import stages

TOOLS = Path(sys.executable).parent
IMAGE = stages(ROOT / "Dockerfile")


def tool(*words: str, **more: str) -> str:
    """What a tool beside this Python prints."""
    ended = subprocess.run(
        [str(TOOLS / words[0]), *words[1:]],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """compose.yaml as Docker itself reads it, all profiles."""
    document: dict[str, Any] = json.loads(
        tool("docker-compose", "--profile", "*", "config", "--format", "json", IMAGES="/photos")
    )
    return document


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert tool("hadolint", "Dockerfile") == ""


def test_everything_that_is_copied_exists_and_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored  # nothing else does, secrets and .git least of all
    taken = set()
    for stage in IMAGE.values():
        for step in stage.steps:
            if step.name == "COPY":
                origin, what, _ = step.copied
                if origin is None:
                    taken |= {name.rstrip("/") for name in what}
                else:
                    assert origin in IMAGE
    assert taken == let_in
    assert all((ROOT / name).exists() for name in taken)


def test_versions_are_those_of_the_constraints() -> None:
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if "==" in line
    )
    text = (ROOT / "Dockerfile").read_text("utf-8")
    for version in re.findall(r"^ARG TORCH=([\d.]+)", text, re.MULTILINE):
        assert version == pinned["torch"]
    assert "latest" not in text


def test_the_image_runs_as_a_user_that_kubernetes_can_check() -> None:
    for target in ("cpu", "cuda"):
        chain = [target]
        while (base := IMAGE[chain[-1]].base) in IMAGE:
            chain.append(base)
        said = [
            step.words
            for name in reversed(chain)
            for step in IMAGE[name].steps
            if step.name == "USER"
        ]
        assert said
        assert int(said[-1]) > 0


def test_compose_runs_pinned_images_and_waits_for_what_is_healthy(composed: dict[str, Any]) -> None:
    services = composed["services"]
    assert set(services) == {"qdrant", "redis", "postgresql", "head", "worker", "api", "ingest"}
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert image
        assert tag not in ("", "latest"), name
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy"
            assert services[other]["healthcheck"]["test"]
    built = {service["build"]["target"] for service in services.values() if "build" in service}
    assert built == {"cpu"}
    assert built <= set(IMAGE)


def test_compose_lets_only_this_machine_in(composed: dict[str, Any]) -> None:
    ports = [p for service in composed["services"].values() for p in service.get("ports", [])]
    assert [(p["host_ip"], p["published"]) for p in ports] == [("127.0.0.1", "8000")]


def test_compose_calls_what_the_image_holds(composed: dict[str, Any]) -> None:
    words = [
        word
        for service in composed["services"].values()
        if "build" in service
        for word in [*(service.get("entrypoint") or []), *(service.get("command") or [])]
    ]
    files = [word.removeprefix("/app/") for word in words if re.search(r"\.(py|yaml)$", word)]
    assert files
    in_image = [
        source for step in IMAGE["base"].steps if step.name == "COPY" for source in step.copied[1]
    ]
    for name in files:
        assert (ROOT / name).is_file(), name
        assert name.split("/")[0] in in_image, name


def test_the_keys_that_compose_mounts_are_made_once_and_kept(
    composed: dict[str, Any], tmp_path: Path
) -> None:
    script = str(ROOT / "cluster/compose/make_keys.py")
    subprocess.run([sys.executable, script, str(tmp_path / "s")], check=True, capture_output=True)
    made = {path.name: path.read_text("utf-8") for path in (tmp_path / "s").iterdir()}
    assert (tmp_path / "s").stat().st_mode & 0o77 == 0
    for secret in composed["secrets"].values():
        path = Path(secret["file"])
        assert path.parent == ROOT / "cluster/compose/secrets"
        assert made[path.name]
    assert yaml.safe_load(made["qdrant.yaml"])["service"]["api_key"] == made["qdrant-key"]
    assert made["redis"] in made["cache-url"]
    assert f"requirepass {made['redis']}" in made["redis.conf"]
    assert made["postgresql"] in made["library-url"]
    names = ("ray-token", "qdrant-key", "write-key", "read-key", "redis", "postgresql")
    keys = [made[name] for name in names]
    assert len(set(keys)) == len(keys)
    subprocess.run([sys.executable, script, str(tmp_path / "s")], check=True, capture_output=True)
    assert made == {path.name: path.read_text("utf-8") for path in (tmp_path / "s").iterdir()}


def test_no_secret_stands_in_the_environment_of_a_container(composed: dict[str, Any]) -> None:
    from pdray.config import settings_by_name
    from pdray.config.kinds import SECRET

    secret = {f"PDRAY_{n.upper()}" for n, s in settings_by_name().items() if s.about.kind is SECRET}
    for service in composed["services"].values():
        environment = service.get("environment", {})
        assert not secret & set(environment)
        for name, value in environment.items():
            if name.endswith(("_FILE", "_PATH")) and value.startswith("/run/secrets/"):
                mounted = {each["target"] for each in service["secrets"]}
                assert value in mounted, f"{name} names {value}, which is not mounted"
