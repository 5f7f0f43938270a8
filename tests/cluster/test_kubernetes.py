"""The chart as Helm renders it, held against what Kubernetes, KubeRay, Serve and pdray take."""

import copy
import functools
import importlib.util
import json
import re
import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python.chart import Chart, lint
from helm_python.errors import HelmError
from ray.serve.schema import ServeDeploySchema

from pdray.config import load, settings_by_name
from pdray.ingest.metering import figures
from pdray.ingest.report import Report
from pdray.ingest.tally import Tally
from pdray.serve import compose, metrics
from tests.cluster import kuberay
from tests.cluster.conftest import ROOT
from tests.serving import passed_over

CHART = ROOT / "cluster" / "helm" / "pdray"
EVERYTHING: dict[str, Any] = {
    "ingestion": {
        "enabled": True,
        "sources": ["s3://bucket/it's here"],
        "arguments": ["--model", "builtin"],
        "gpu": {"enabled": True},
    },
    "cluster": {"enabled": True},
    "serving": {"gpu": {"enabled": True}, "mayIndex": True},
    "ingress": {"enabled": True, "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"}},
    "monitoring": {"serviceMonitor": True, "dashboard": True},
    "image": {"pullSecrets": [{"name": "registry"}]},
    "environment": {"PDRAY_QDRANT_IMAGES": 10_000_000},
    "library": {"existingSecret": "people"},
}
EXTERNAL: dict[str, Any] = {
    "workspace": {"url": "s3://bucket/pdray"},
    "qdrant": {"enabled": False, "url": "https://qdrant:6333"},
    "redis": {"enabled": False},
    "existingSecret": "mine",
    "bucketSecret": "bucket",
    "serviceAccount": {"create": False, "name": "theirs"},
}
VALUES = {"default": {}, "everything": EVERYTHING, "external": EXTERNAL}
# Of other operators, whose schemas no package has.
MONITORS = {
    "ServiceMonitor": ("endpoints", {"port", "path", "interval", "authorization"}),
    "PodMonitor": ("podMetricsEndpoints", {"port", "path", "interval"}),
}


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The documents of the chart."""
    files = Chart.load(CHART).render(values, name="pd", namespace="photos")
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def checked_and_rendered(values: dict[str, Any]) -> None:
    """What an installation does."""
    chart = Chart.load(CHART)
    chart.validate_schema(values)
    chart.render(values, name="pd")


@functools.cache
def refusal(document: str, version: str) -> str | None:
    """What Kubernetes's schema says against it, looked at once: it takes a fifth of a second, and
    many are the same.
    """
    try:
        kubernetes_validate.validate(json.loads(document), version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error)
    return None


def check(document: dict[str, Any]) -> None:
    """Raises where a cluster would refuse it, or would pass over what it doesn't know."""
    kind = document["kind"]
    if kind in kuberay.KINDS:
        assert list(kuberay.complaints(document)) == []
        for pod in kuberay.pods(document):
            assert refusal(json.dumps(pod, sort_keys=True), "1.37") is None
    elif kind in MONITORS:
        name, fields = MONITORS[kind]
        for endpoint in document["spec"][name]:
            assert set(endpoint) <= fields
    else:
        assert refusal(json.dumps(document, sort_keys=True), "1.37") is None


def of_kind(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] == kind]


@pytest.mark.parametrize("name", VALUES)
def test_a_cluster_takes_what_the_chart_makes(name: str) -> None:
    documents = rendered(VALUES[name])
    assert of_kind(documents, "RayService")
    for document in documents:
        check(document)
    names = [(one["kind"], one["metadata"]["name"]) for one in documents]
    assert len(set(names)) == len(names)


def test_the_oldest_kubernetes_that_the_chart_names_takes_it_too() -> None:
    plain = [one for one in rendered({}) if one["kind"] not in kuberay.KINDS]
    texts = [json.dumps(document, sort_keys=True) for document in plain]
    assert [refusal(text, "1.27") for text in texts] == [None] * len(plain)
    assert plain


def test_helm_itself_finds_nothing_to_complain_of() -> None:
    assert "ERROR" not in str(lint(CHART))


@pytest.mark.parametrize("name", VALUES)
def test_what_serves_is_what_ray_serve_and_pdray_take(name: str) -> None:
    (service,) = of_kind(rendered(VALUES[name]), "RayService")
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    schema = ServeDeploySchema.model_validate(config)
    assert list(passed_over(config, schema.model_dump(exclude_unset=True))) == []
    (application,) = schema.applications
    load(dict(application.args), environ={})
    assert application.import_path == f"{compose.__name__}:application"
    # A replica that asks for a GPU or a core must find a pod that has one.
    pods = list(kuberay.pods(service))
    gpus = sum(
        "nvidia.com/gpu" in pod["spec"]["containers"][0]["resources"]["limits"] for pod in pods
    )
    asked = [
        one.ray_actor_options.num_gpus for one in application.deployments if one.name == "images"
    ]
    assert bool(gpus) == bool(asked and asked[0])


@pytest.mark.parametrize("name", VALUES)
def test_pods_have_settings_that_exist_and_keys_that_are_there(name: str) -> None:
    documents = rendered(VALUES[name])
    known = {f"PDRAY_{setting.upper()}" for setting in settings_by_name()}
    known |= {f"{each}_FILE" for each in known}
    entries = {"qdrant-write", "qdrant-read", "write-key", "read-key", "redis", "cache-url"}
    for secret in of_kind(documents, "Secret"):
        assert set(secret["stringData"]) == entries
        assert all(len(value) >= 32 for value in secret["stringData"].values())
    for document in documents:
        if document["kind"] not in kuberay.KINDS:
            continue
        for pod in kuberay.pods(document):
            (container,) = pod["spec"]["containers"]
            volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
            assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
            mounted = {item["path"] for item in volumes["keys"]["secret"]["items"]}
            assert mounted <= entries
            for variable in container["env"]:
                name, value = variable["name"], variable["value"]
                assert not name.startswith("PDRAY_") or name in known, name
                if value.startswith("/etc/pdray/"):
                    assert value.removeprefix("/etc/pdray/") in mounted
                if name in ("RAY_SERVE_PROXY_USE_GRPC", "RAY_worker_niceness"):
                    assert compose.FAST[name] == value


def test_only_who_may_write_the_index_gets_the_key_for_it() -> None:
    def keys(values: dict[str, Any], kind: str) -> set[str]:
        (document,) = of_kind(rendered(values), kind)
        pods = [pod["spec"]["volumes"] for pod in kuberay.pods(document)]
        return {
            item["key"]
            for volumes in pods
            for volume in volumes
            for item in volume.get("secret", {}).get("items", ())
        }

    ingesting = {"ingestion": {"enabled": True, "sources": ["s3://b/p"]}}
    assert keys(ingesting, "RayJob") == {"qdrant-write"}
    assert "qdrant-write" not in keys({}, "RayService")
    assert "qdrant-write" in keys({"serving": {"mayIndex": True}}, "RayService")


def test_the_job_calls_a_file_of_the_image_with_every_word_quoted() -> None:
    (job,) = of_kind(rendered(EVERYTHING), "RayJob")
    script, _, words = job["spec"]["entrypoint"].removeprefix("python /app/").partition(" ")
    assert (ROOT / script).is_file()
    assert shlex.split(words) == ["s3://bucket/it's here", "--model", "builtin"]
    assert yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]


def test_what_is_selected_is_what_carries_the_labels() -> None:
    documents = rendered(EVERYTHING)
    carried = [
        labels
        for document in documents
        if document["kind"] in ("StatefulSet", "Deployment")
        for labels in [document["spec"]["template"]["metadata"]["labels"]]
    ]
    for service in of_kind(documents, "Service"):
        wanted = service["spec"]["selector"].items()
        assert sum(wanted <= labels.items() for labels in carried) == 1, service["metadata"]["name"]
    (service,) = of_kind(documents, "RayService")
    # KubeRay adds labels of its own to pods, such as this one.
    pods = [
        {**pod["metadata"]["labels"], "ray.io/node-type": kind}
        for document in documents
        if document["kind"] in kuberay.KINDS
        for pod, kind in zip(kuberay.pods(document), ["head", "worker", "worker"], strict=False)
    ]
    (budget,) = of_kind(documents, "PodDisruptionBudget")
    wanted = budget["spec"]["selector"]["matchLabels"].items()
    assert sum(wanted <= labels.items() for labels in pods) == 2  # serving's two groups of workers
    (policy,) = of_kind(documents, "NetworkPolicy")
    wanted = policy["spec"]["podSelector"]["matchLabels"].items()
    assert all(wanted <= labels.items() for labels in [*pods, *carried])
    serve = service["spec"]["serveService"]["metadata"]
    (monitor,) = of_kind(documents, "ServiceMonitor")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= serve["labels"].items()
    (ingress,) = of_kind(documents, "Ingress")
    (rule,) = ingress["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == serve["name"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"serving": {"worker": {}}}, "worker"),
        ({"workspace": {"size": "much"}}, "size"),
        ({"qdrant": {"enabled": False}}, "qdrant.url"),
        ({"ingestion": {"enabled": True}}, "ingestion.sources"),
        ({"serving": {"workers": {"maxReplicas": 0}}}, "maxReplicas"),
        ({"image": {"repository": ""}}, "repository"),
    ],
)
def test_wrong_values_are_refused_by_name(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError, match=said.replace(".", r"\.")):
        checked_and_rendered(wrong)


def test_every_value_is_described_and_every_description_is_of_a_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))

    def compare(described: dict[str, Any], found: Any, place: str) -> None:
        assert described.get("description"), place
        if "properties" in described and isinstance(found, dict):
            assert set(described["properties"]) - {"global"} == set(found), place
            for name, value in found.items():
                compare(described["properties"][name], value, f"{place}.{name}")

    compare(schema, values, "values")


def test_the_chart_has_the_versions_of_the_package() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    constraints = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert f"ray=={values['rayVersion']}" in constraints
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text("utf-8")
    composed = (ROOT / "compose.yaml").read_text("utf-8")
    for store in ("qdrant", "redis"):
        assert f"image: {values[store]['image']}\n" in composed


def test_the_dashboard_shows_figures_that_exist() -> None:
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text("utf-8"))
    report = Report("1", "c", "m")
    runs = figures(report, Tally(report).snapshot("running"))  # which Ray's exporter has
    ours = {one.name for one in metrics.ALL} | {f"ray_{one.name}" for one in runs}
    package = importlib.util.find_spec("ray")
    assert package is not None
    assert package.submodule_search_locations
    home = Path(package.submodule_search_locations[0])
    rays = "".join(
        path.read_text("utf-8")
        for place in (
            "dashboard/modules/metrics/dashboards",
            "dashboard/modules/reporter",
            "serve/_private",
        )
        for path in (home / place).rglob("*.py")
    )
    expressions = [one["expr"] for panel in dashboard["panels"] for one in panel["targets"]]
    named = {name for text in expressions for name in re.findall(r"\b(?:pdray|ray)_[a-z_]+", text)}
    assert ours == {re.sub("_(bucket|sum|count)$", "", name) for name in named if "pdray" in name}
    for name in named:
        if "pdray" not in name:
            assert f'"{name.removeprefix("ray_")}"' in rays or name in rays, name


def test_the_plain_manifests_are_the_chart() -> None:
    place = ROOT / "cluster" / "kubernetes" / "render.py"
    spec = importlib.util.spec_from_file_location("render", place)
    assert spec is not None
    assert spec.loader is not None
    render = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(render)
    plain = render.PLAIN.read_text("utf-8")
    assert plain == render.manifests(), "run python cluster/kubernetes/render.py"
    for document in yaml.safe_load_all(plain):
        check(document)
        assert document["kind"] != "Secret"  # one for all would be no secret


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cluster: cluster.update(enableAutoscaling=True),
        lambda cluster: cluster["workerGroupSpecs"][0].pop("maxReplicas"),
        lambda cluster: cluster["headGroupSpec"]["rayStartParams"].update(num_cpus=1),
        lambda cluster: cluster["headGroupSpec"]["template"]["spec"]["containers"][0].pop("name"),
    ],
)
def test_what_would_be_refused_is_noticed(spoil: Any) -> None:
    (service,) = of_kind(rendered({}), "RayService")
    broken = copy.deepcopy(service)
    spoil(broken["spec"]["rayClusterConfig"])
    with pytest.raises((AssertionError, kubernetes_validate.ValidationError)):
        check(broken)
