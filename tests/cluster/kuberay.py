"""What KubeRay takes, as its definitions of 1.7 have it: names of fields, and what is needed.

Pods in it are Kubernetes's own, whose schema they are held against as such.
"""

from collections.abc import Iterator
from typing import Any

_CLUSTER = {
    "authOptions": {"mode", "secretName", "enableK8sTokenAuth"},
    "autoscalerOptions": {
        "args", "command", "env", "envFrom", "idleTimeoutSeconds", "image", "imagePullPolicy",
        "resources", "securityContext", "upscalingMode", "version", "volumeMounts",
    },
    "enableInTreeAutoscaling": None,
    "gcsFaultToleranceOptions": {
        "backend", "externalStorageNamespace", "redisAddress", "redisPassword", "redisUsername",
        "storage",
    },
    "headGroupSpec": {
        "enableIngress", "headService", "ingressOptions", "labels", "rayStartParams", "resources",
        "serviceType", "template",
    },
    "headServiceAnnotations": None,
    "rayVersion": None,
    "suspend": None,
    "workerGroupSpecs": None,
}  # fmt: skip
_GROUP = {
    "groupName", "idleTimeoutSeconds", "labels", "maxReplicas", "minReplicas", "numOfHosts",
    "priority", "rayStartParams", "replicas", "resources", "scaleStrategy", "suspend", "template",
}  # fmt: skip
_SPECS = {
    "RayCluster": set(_CLUSTER),
    "RayService": {
        "deploymentUnhealthySecondThreshold", "excludeHeadPodFromServeSvc", "rayClusterConfig",
        "rayClusterDeletionDelaySeconds", "serveConfigV2", "serveService",
        "serviceUnhealthySecondThreshold", "suspend", "upgradeStrategy",
    },
    "RayJob": {
        "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy",
        "entrypoint", "entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "jobId",
        "metadata", "preRunningDeadlineSeconds", "rayClusterSpec", "runtimeEnvYAML",
        "shutdownAfterJobFinishes", "submissionMode", "submitterConfig", "submitterPodTemplate",
        "suspend", "ttlSecondsAfterFinished",
    },
}  # fmt: skip
KINDS = frozenset(_SPECS)


def cluster_of(document: dict[str, Any]) -> dict[str, Any]:
    """The Ray cluster that a resource describes."""
    spec: dict[str, Any] = document["spec"]
    found: dict[str, Any] = spec.get("rayClusterConfig") or spec.get("rayClusterSpec") or spec
    return found


def pods(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every kind of pod in it, as a document that Kubernetes's own schema knows."""
    cluster = cluster_of(document)
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        metadata = {"name": "pod", **group["template"].get("metadata", {})}
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": group["template"]["spec"],
        }


def complaints(document: dict[str, Any]) -> Iterator[str]:
    """What KubeRay would not take."""
    kind = document["kind"]
    if document["apiVersion"] != "ray.io/v1":
        yield f"{kind}: apiVersion {document['apiVersion']}"
    yield from (f"{kind}: no field {name}" for name in set(document["spec"]) - _SPECS[kind])
    cluster = cluster_of(document)
    for name, value in cluster.items():
        if name not in _CLUSTER:
            yield f"{kind}: no field {name} of a cluster"
        elif (known := _CLUSTER[name]) is not None:
            yield from (f"{kind}: no field {name}.{each}" for each in set(value) - known)
    if cluster.get("authOptions", {}).get("mode") not in (None, "token", "disabled"):
        yield f"{kind}: an unknown mode of authentication"
    names = []
    for group in cluster["workerGroupSpecs"]:
        yield from (f"{kind}: no field {each} of a group" for each in set(group) - _GROUP)
        needed = {"groupName", "maxReplicas", "minReplicas", "template"} - set(group)
        yield from (f"{kind}: a group without {each}" for each in needed)
        if not needed and group["minReplicas"] > group["maxReplicas"]:
            yield f"{kind}: group {group['groupName']} has more replicas at least than at most"
        names.append(group.get("groupName"))
    if len(set(names)) != len(names):
        yield f"{kind}: two groups of one name"
    parameters = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in parameters:
        for name, value in group.get("rayStartParams", {}).items():
            if not isinstance(value, str):
                yield f"{kind}: rayStartParams.{name} is no text"
