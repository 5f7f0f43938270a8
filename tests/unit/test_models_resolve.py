"""From a name to a spec: folders, the hub's cache, and a hub of our own on the loopback."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from pdray.errors import ModelUnavailable
from pdray.models import layout
from pdray.models.fingerprint import fingerprint
from pdray.models.hub import Hub, cached, is_hub_name, snapshot, watched
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import describe, folder_of, resolve
from pdray.records import ModelSpec

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_clip(tmp_path_factory.mktemp("tiny"), architecture="tiny")


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# Folders


def test_a_folder_is_described_by_its_own_files(tiny: Path):
    spec = resolve(str(tiny))
    assert (spec.model_type, spec.dim, spec.revision) == ("clip", 16, None)
    assert spec.location == str(tiny.resolve())
    assert (spec.preprocessing.edge, spec.preprocessing.mode) == (32, "shortest-edge")
    assert ModelSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert folder_of(spec) == tiny


def test_a_relative_name_gives_the_same_spec(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tiny.parent)
    assert resolve(tiny.name) == resolve(f"./{tiny.name}/") == resolve(str(tiny))


def test_resolving_never_imports_torch(tiny: Path):
    code = (
        "import sys; from pdray.models.resolve import resolve; resolve(sys.argv[1]);"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tiny)], check=False).returncode == 0


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("config.json", "no config.json"),
        ("preprocessor_config.json", "no preprocessor_config.json"),
        ("tokenizer.json", "no tokenizer"),
        ("model.safetensors", "no weights in safetensors"),
    ],
)
def test_a_folder_that_lacks_a_file_says_which(model: Path, missing: str, said: str):
    (model / missing).unlink()
    with pytest.raises(ModelUnavailable, match=said) as caught:
        resolve(str(model))
    assert str(model) in str(caught.value)


def test_a_folder_that_is_not_there_is_not_taken_for_a_hub_name():
    with pytest.raises(ModelUnavailable, match="There is no model folder"):
        resolve("/no/such/folder")


def test_a_model_that_is_no_dual_encoder_is_refused(model: Path):
    edit_config(model, model_type="bert")
    with pytest.raises(ModelUnavailable, match="'bert'"):
        resolve(str(model))


def test_flexible_resolution_siglip2_is_refused_with_an_alternative(model: Path):
    edit_config(model, model_type="siglip2")
    with pytest.raises(ModelUnavailable, match="fixed-resolution"):
        resolve(str(model))


def test_a_processor_of_another_model_is_noticed(model: Path):
    (model / "preprocessor_config.json").write_text(json.dumps({"size": 224, "crop_size": 224}))
    with pytest.raises(ModelUnavailable, match=r"32x32 .* 224x224"):
        resolve(str(model))


def test_a_config_that_is_no_json_is_named(model: Path):
    (model / "config.json").write_text("{")
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        resolve(str(model))


@pytest.mark.parametrize(
    ("config", "dim"),
    [
        ({"model_type": "clip", "projection_dim": 640}, 640),
        ({"model_type": "clip"}, 512),
        ({"model_type": "siglip", "text_config": {}}, 768),
        ({"model_type": "siglip", "text_config": {"hidden_size": 1152}}, 1152),
        (
            {
                "model_type": "siglip",
                "text_config": {"hidden_size": 1152, "projection_size": 1536},
            },
            1536,
        ),
    ],
)
def test_the_length_of_vectors_is_read_though_files_leave_out_defaults(
    model: Path, config: dict[str, object], dim: int
):
    (model / "config.json").write_text(json.dumps(config))
    (model / "preprocessor_config.json").write_text("{}")
    assert resolve(str(model)).dim == dim


# Weights and fingerprints


def shard(folder: Path, names: list[str]) -> None:
    whole = folder / "model.safetensors"
    for name in names:
        shutil.copy(whole, folder / name)
    whole.unlink()
    index = {"weight_map": {f"tensor{i}": name for i, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_every_shard_of_the_weights_must_be_there(model: Path):
    shard(model, ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
    assert len(layout.weights(model)) == 2
    (model / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match="model-00002-of-00002"):
        resolve(str(model))


def test_a_weight_index_can_not_point_outside_its_folder(model: Path):
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "../other/model.safetensors"}})
    )
    with pytest.raises(ModelUnavailable, match="no usable files"):
        resolve(str(model))


def test_a_copy_and_a_readme_leave_the_fingerprint_alone(tiny: Path, model: Path):
    (model / "README.md").write_text("a note")
    assert fingerprint(model) == fingerprint(tiny)
    assert fingerprint(model) == describe(model, name="builtin", location="builtin").fingerprint


@pytest.mark.parametrize(
    "name",
    ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"],
)
def test_a_changed_file_changes_the_fingerprint(tiny: Path, model: Path, name: str):
    path = model / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert fingerprint(model) != fingerprint(tiny)


def test_one_changed_layer_in_the_middle_of_large_weights_is_noticed(model: Path):
    path = model / "model.safetensors"
    size = 64 << 20
    with path.open("wb") as file:
        file.truncate(size)
    before = fingerprint(model)
    with path.open("r+b") as file:  # one 1 MiB tensor, equal size, head and tail untouched
        file.seek(size // 3)
        file.write(os.urandom(1 << 20))
    assert fingerprint(model) != before


# Hub


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai/clip-vit-base-patch32", True),
        ("OFA-Sys/chinese-clip-vit-base-patch16", True),
        ("clip", False),
        ("/models/clip", False),
        ("./models/clip", False),
        ("a/b/c", False),
        ("../clip", False),
    ],
)
def test_hub_names_are_told_from_paths(name: str, expected: bool):
    assert is_hub_name(name) is expected


def test_of_a_repository_only_one_set_of_weights_is_fetched():
    listed = [
        "README.md",
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "pytorch_model.bin",
        "tf_model.h5",
        "model.safetensors",
        "open_clip_model.safetensors",
        "onnx/model.onnx",
    ]
    assert layout.wanted(listed) == [
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "model.safetensors",
    ]
    listed.remove("model.safetensors")
    assert layout.wanted(listed)[-1] == "pytorch_model.bin"


class HubHandler(BaseHTTPRequestHandler):
    """As much of the hub's protocol as a download of one public model needs."""

    def do_GET(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        path = unquote(urlsplit(self.path).path)
        files: dict[str, bytes] = self.server.files  # type: ignore[attr-defined]
        if path.startswith("/api/models/org/tiny/tree/"):
            self.answer_json(
                [
                    {"type": "file", "path": name, "size": len(data), "oid": sha1(data)}
                    for name, data in files.items()
                ]
            )
        elif path.startswith("/api/models/org/tiny"):
            siblings = [{"rfilename": name, "size": len(files[name])} for name in files]
            self.answer_json({"id": "org/tiny", "sha": COMMIT, "siblings": siblings})
        elif path.startswith("/org/tiny/resolve/") and (name := path.split("/", 5)[5]) in files:
            self.answer(files[name], {"ETag": f'"{sha1(files[name])}"', "X-Repo-Commit": COMMIT})
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer_json(self, document: object) -> None:
        self.answer(json.dumps(document).encode(), {"Content-Type": "application/json"})

    def answer(self, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for key, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            if len(data) > 20_000:  # the weights
                self.server.goes_on.wait(60)  # type: ignore[attr-defined]
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


def sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def server(tiny: Path) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), HubHandler) as running:
        running.files = {p.name: p.read_bytes() for p in tiny.iterdir()} | {"tf_model.h5": b"x"}
        running.asked = 0
        running.goes_on = threading.Event()
        running.goes_on.set()
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def hub_of(server: ThreadingHTTPServer, cache: Path) -> Hub:
    return Hub(endpoint=f"http://127.0.0.1:{server.server_port}", cache=cache)


def test_a_model_is_fetched_once_and_then_used_without_asking(
    server: ThreadingHTTPServer, tiny: Path, tmp_path: Path
):
    hub = hub_of(server, tmp_path)
    folder = snapshot("org/tiny", revision=None, offline=False, hub=hub)
    assert folder.name == COMMIT
    assert fingerprint(folder) == fingerprint(tiny)
    assert not (folder / "tf_model.h5").exists()
    asked = server.asked
    assert snapshot("org/tiny", revision=None, offline=False, hub=hub) == folder
    assert snapshot("org/tiny", revision=COMMIT, offline=True, hub=hub) == folder
    assert server.asked == asked


def test_a_download_tells_how_far_it_is(
    server: ThreadingHTTPServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    told: list[tuple[str, int, int]] = []
    server.goes_on.clear()
    files = {name: len(data) for name, data in server.files.items() if name != "tf_model.h5"}

    def watch(name: str, done: int, total: int) -> None:
        told.append((name, done, total))
        if done:
            server.goes_on.set()

    with watched(watch):
        snapshot("org/tiny", revision=None, offline=False, hub=hub_of(server, tmp_path))
    assert {(name, total) for name, _, total in told} == {("org/tiny", sum(files.values()))}
    here = [done for _, done, _ in told]
    assert here == sorted(here)
    assert any(0 < done < here[-1] for done in here)
    assert here[-1] == sum(files.values())
    assert capfd.readouterr().err == ""  # no bars of the client's own


def test_an_interrupted_download_is_completed(server: ThreadingHTTPServer, tmp_path: Path):
    hub = hub_of(server, tmp_path)
    folder = snapshot("org/tiny", revision=None, offline=False, hub=hub)
    (folder / "model.safetensors").unlink()
    assert cached("org/tiny", None, hub) is None
    assert snapshot("org/tiny", revision=None, offline=False, hub=hub) == folder
    assert (folder / "model.safetensors").is_file()


def test_a_model_that_the_hub_does_not_have_is_said(server: ThreadingHTTPServer, tmp_path: Path):
    with pytest.raises(ModelUnavailable, match=r"no public model org/other.*take builtin"):
        snapshot("org/other", revision=None, offline=False, hub=hub_of(server, tmp_path))


def test_an_unreachable_hub_names_the_model_and_the_way_out(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    hub = Hub(endpoint=f"http://127.0.0.1:{port}", cache=tmp_path)
    with pytest.raises(ModelUnavailable, match=r"org/tiny .*take builtin or a local folder"):
        snapshot("org/tiny", revision=None, offline=False, hub=hub)


def test_a_hub_that_never_answers_is_given_up_after_its_timeout(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hub = Hub(endpoint=endpoint, cache=tmp_path, timeout=0.3)
        with pytest.raises(ModelUnavailable, match="can't be reached"):
            snapshot("org/tiny", revision=None, offline=False, hub=hub)


def test_offline_asks_nobody(server: ThreadingHTTPServer, tmp_path: Path):
    with pytest.raises(ModelUnavailable, match="offline"):
        snapshot("org/tiny", revision=None, offline=True, hub=hub_of(server, tmp_path))
    assert server.asked == 0


def test_a_folder_missing_on_this_machine_is_said_with_what_to_do(tiny: Path):
    spec = replace(resolve(str(tiny)), location="/elsewhere/tiny")
    with pytest.raises(ModelUnavailable, match="same path on every machine"):
        folder_of(spec)
