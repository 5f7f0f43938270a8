"""Where settings come from, which origin wins, and what a wrong one says."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pdray.config import Secret, Settings, describe, load
from pdray.errors import UsageError

Load = Callable[..., Settings]


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder; home and the user's configuration folder lie beside it."""
    for name in ("cwd", "home/.config/pdray"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path / "cwd"


def test_without_anything_the_defaults_hold(cwd: Path) -> None:
    settings = load(environ={}, cwd=cwd)
    home = cwd.parent / "home"
    assert settings.workspace == str(home / ".pdray")
    assert settings.state_dir == home / ".pdray/state"
    assert settings.collection == "default"
    assert settings.model is None
    assert settings.qdrant.url is None
    assert settings.ingest.batch_size is None


def test_environment_beats_file_and_flags_beat_both(cwd: Path) -> None:
    (cwd / "pdray.toml").write_text(
        'collection = "file"\nmodel = "file"\nprecision = "fp32"\n[ingest]\nthreads = 3\n'
    )
    environ = {"PDRAY_COLLECTION": "env", "PDRAY_MODEL": "env", "PDRAY_INGEST_BATCH_SIZE": "48"}
    settings = load({"collection": "flag", "device": None}, environ=environ, cwd=cwd)
    assert (settings.collection, settings.model, settings.precision) == ("flag", "env", "fp32")
    assert (settings.ingest.threads, settings.ingest.batch_size) == (3, 48)
    assert settings.device == "auto"


def test_the_file_of_the_working_folder_comes_before_the_users(cwd: Path) -> None:
    users = cwd.parent / "home/.config/pdray/pdray.toml"
    users.write_text('collection = "users"\n')
    assert load(environ={}, cwd=cwd).collection == "users"
    (cwd / "pdray.toml").write_text('collection = "here"\n')
    assert load(environ={}, cwd=cwd).collection == "here"


def test_a_named_file_is_the_only_one_read(cwd: Path) -> None:
    (cwd / "pdray.toml").write_text('collection = "here"\nmodel = "here"\n')
    (cwd / "other.toml").write_text('collection = "other"\n')
    for given in (
        load({"config": "other.toml"}, environ={}, cwd=cwd),
        load(environ={"PDRAY_CONFIG": "other.toml"}, cwd=cwd),
    ):
        assert (given.collection, given.model) == ("other", None)


def test_relative_paths_start_where_they_are_written(cwd: Path) -> None:
    folder = cwd.parent / "etc"
    folder.mkdir()
    (folder / "my.toml").write_text('workspace = "space"\n[qdrant]\nca = "~/ca.pem"\n')
    settings = load({"state_dir": "state"}, environ={"PDRAY_CONFIG": "../etc/my.toml"}, cwd=cwd)
    assert settings.workspace == str(folder / "space")
    assert settings.state_dir == cwd / "state"
    assert settings.qdrant.ca == cwd.parent / "home/ca.pem"


def test_a_workspace_url_stays_a_url_and_has_its_own_state_folder(cwd: Path) -> None:
    one = load({"workspace": "s3://bucket/a/"}, environ={}, cwd=cwd)
    two = load({"workspace": "s3://bucket/b"}, environ={}, cwd=cwd)
    assert one.workspace == "s3://bucket/a"
    assert one.state_dir.parent == two.state_dir.parent == cwd.parent / "home/.local/state/pdray"
    assert one.state_dir != two.state_dir
    assert load({"workspace": "s3://bucket/a"}, environ={}, cwd=cwd).state_dir == one.state_dir


def test_a_file_url_and_its_path_are_one_workspace(cwd: Path) -> None:
    path = cwd / "my space"
    by_url = load({"workspace": path.as_uri()}, environ={}, cwd=cwd)
    assert by_url == load({"workspace": "my space"}, environ={}, cwd=cwd)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('colection = "a"', "colection"),
        ("[qdrant]\nurls = 'http://a'", "qdrant.urls"),
        ("qdrant_url = 'http://a'", "qdrant_url"),
        ("[ingest]\nbatch_size = '32'", "ingest.batch_size"),
        ("[ingest]\nbatch_size = true", "ingest.batch_size"),
        ("[ingest]\nbatch_size = 0", "ingest.batch_size"),
        ("[ingest]\nunit_size = 513", "ingest.unit_size"),
        ("[qdrant]\ntimeout = inf", "qdrant.timeout"),
        ("[qdrant]\nverify = 'no'", "qdrant.verify"),
        ("[qdrant]\nurl = 'host:6333'", "qdrant.url"),
        ("qdrant = 'http://host'", "qdrant"),
        ("precision = 'int4'", "precision"),
        ("offline = 1", "offline"),
        ("model = ''", "model"),
    ],
)
def test_a_wrong_file_is_one_sentence_that_names_file_and_key(
    cwd: Path, text: str, key: str
) -> None:
    file = cwd / "pdray.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load(environ={}, cwd=cwd)
    assert str(file) in str(caught.value)
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"collection =", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_one_sentence(cwd: Path, text: bytes) -> None:
    (cwd / "pdray.toml").write_bytes(text)
    with pytest.raises(UsageError, match=r"pdray\.toml is not valid TOML"):
        load(environ={}, cwd=cwd)


@pytest.mark.parametrize("name", ["", "Photos", "-a", "a/b", "a b", "ä", "a" * 64, "a\n"])
def test_a_bad_collection_name_is_refused_from_anywhere(cwd: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--collection must be"):
        load({"collection": name}, environ={}, cwd=cwd)
    if name:
        with pytest.raises(UsageError, match="PDRAY_COLLECTION must be"):
            load(environ={"PDRAY_COLLECTION": name}, cwd=cwd)


def test_an_empty_variable_is_not_given(cwd: Path) -> None:
    assert load(environ={"PDRAY_COLLECTION": ""}, cwd=cwd).collection == "default"


@pytest.mark.parametrize(("text", "value"), [("0", False), ("No", False), ("TRUE", True)])
def test_switches_are_read_from_words(cwd: Path, text: str, value: bool) -> None:
    assert load(environ={"PDRAY_QDRANT_VERIFY": text}, cwd=cwd).qdrant.verify is value


def test_rays_own_variable_names_the_cluster_unless_ours_does(cwd: Path) -> None:
    ray = {"RAY_ADDRESS": "ray-head:6379"}
    assert load({}, environ=ray, cwd=cwd).ray_address == "ray-head:6379"
    ours = {**ray, "PDRAY_RAY_ADDRESS": "other:6379"}
    assert load({}, environ=ours, cwd=cwd).ray_address == "other:6379"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("PDRAY_INGEST_UNITSIZE", "did you mean PDRAY_INGEST_UNIT_SIZE"),
        ("PDRAY_ZZZ", "is no setting"),
    ],
)
def test_a_misspelt_variable_is_said_instead_of_passed_over(
    cwd: Path, name: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        load({}, environ={name: "8"}, cwd=cwd)
    load({}, environ={"PDRAY_TEST_QDRANT_URL": "http://127.0.0.1:6333"}, cwd=cwd)


def test_a_missing_named_file_and_an_unknown_flag_are_wrong_usage(cwd: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml does not exist"):
        load({"config": "none.toml"}, environ={}, cwd=cwd)
    with pytest.raises(UsageError, match="--qdrant-uri is no setting"):
        load({"qdrant_uri": "http://a"}, environ={}, cwd=cwd)


def key_of(settings: Settings) -> str | None:
    return settings.qdrant.api_key.reveal() if settings.qdrant.api_key else None


def test_the_key_may_lie_in_a_file_and_the_nearer_origin_counts(cwd: Path) -> None:
    (cwd / "key").write_text("from-file\n")
    (cwd / "pdray.toml").write_text('[qdrant]\napi_key = "from-toml"\n')
    by_file = {"PDRAY_QDRANT_API_KEY_FILE": "key"}
    assert key_of(load(environ={}, cwd=cwd)) == "from-toml"
    assert key_of(load(environ=by_file, cwd=cwd)) == "from-file"
    assert key_of(load({"qdrant_api_key": "flag"}, environ=by_file, cwd=cwd)) == "flag"


def test_a_key_file_that_is_missing_or_empty_is_said(cwd: Path) -> None:
    (cwd / "empty").write_text("\n")
    for name in ("none", "empty"):
        with pytest.raises(UsageError, match=f"PDRAY_QDRANT_API_KEY_FILE names .*{name}"):
            load(environ={"PDRAY_QDRANT_API_KEY_FILE": name}, cwd=cwd)


def test_a_key_never_shows(cwd: Path) -> None:
    settings = load({"qdrant_api_key": "hunter2"}, environ={}, cwd=cwd)
    secret = settings.qdrant.api_key
    assert secret == Secret("hunter2")
    for text in (repr(settings), str(settings), f"{secret}", f"{secret!r}"):
        assert "hunter2" not in text
    assert key_of(pickle.loads(pickle.dumps(settings))) == "hunter2"


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({}, '[qdrant]\napi_key = ["hunter2"]\n'),
        ({"qdrant_url": "https://me:hunter2@host"}, ""),
    ],
)
def test_a_wrong_value_that_may_be_a_password_is_not_repeated(
    cwd: Path, flags: dict[str, Any], text: str
) -> None:
    (cwd / "pdray.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load(flags, environ={}, cwd=cwd)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_every_setting_is_described_and_no_two_share_a_variable() -> None:
    rows = describe()
    for row in rows:
        assert row.description.endswith("."), row.key
        assert row.values, row.key
        assert row.default, row.key
    assert len({row.environment for row in rows}) == len(rows)
    assert {"workspace", "qdrant.api_key", "ingest.unit_size"} <= {row.key for row in rows}


def test_every_described_default_is_a_value_that_its_kind_takes(cwd: Path) -> None:
    settings = load(environ={}, cwd=cwd)
    for row in describe():
        section, _, name = row.key.rpartition(".")
        value = getattr(getattr(settings, section) if section else settings, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert load(environ={row.environment: str(value)}, cwd=cwd) == settings


def test_every_secret_may_lie_in_a_file_that_the_environment_names(cwd: Path) -> None:
    (cwd / "secret").write_text("from the file\n")
    files = {"PDRAY_SERVE_WRITE_KEY_FILE": "secret", "PDRAY_SOURCES_S3_SECRET_FILE": "secret"}
    settings = load(environ=files, cwd=cwd)
    assert settings.serve.write_key == settings.sources.s3_secret == Secret("from the file")
    settings = load(environ={**files, "PDRAY_SERVE_WRITE_KEY": "itself"}, cwd=cwd)
    assert settings.serve.write_key == Secret("itself")
    with pytest.raises(UsageError, match=r"PDRAY_SERVE_READ_KEY_FILE names .*none, which can't"):
        load(environ={"PDRAY_SERVE_READ_KEY_FILE": "none"}, cwd=cwd)
    with pytest.raises(UsageError, match="PDRAY_WORKSPACE_FILE is no setting"):
        load(environ={"PDRAY_WORKSPACE_FILE": "secret"}, cwd=cwd)


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://:pass%40word@[::1]:6380/2?protocol=3", "unix:///run/redis.sock"]
)
def test_a_redis_is_named_by_its_url(url: str, tmp_path: Path) -> None:
    settings = load({}, environ={"PDRAY_SERVE_CACHE_URL": url}, cwd=tmp_path)
    assert settings.serve.cache_url is not None
    assert settings.serve.cache_url.reveal() == url


@pytest.mark.parametrize("url", ["hidden", "redis://hidden:port/0", "http://hidden", "redis://"])
def test_what_is_no_redis_is_refused_without_being_shown(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a URL like redis://host:6379/0") as refused:
        load({}, environ={"PDRAY_SERVE_CACHE_URL": url}, cwd=tmp_path)
    assert "hidden" not in str(refused.value)
