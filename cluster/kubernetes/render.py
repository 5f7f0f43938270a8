"""Writes the chart as plain manifests, for those without Helm: python cluster/kubernetes/render.py.

`manifests` is what the tests compare pdray.yaml with, so that nobody forgets to run this.
"""

from pathlib import Path

from helm_python.chart import Chart

CHART = Path(__file__).parents[1] / "helm" / "pdray"
PLAIN = Path(__file__).with_name("pdray.yaml")
VALUES = {
    "existingSecret": "pdray-keys",
    "ingestion": {"enabled": True, "sources": ["s3://your-bucket/photos"]},
    "workspace": {"url": "s3://your-bucket/pdray"},
    "bucketSecret": "pdray-bucket",
}
_HEAD = """\
# pdray on Kubernetes without Helm: cluster/kubernetes.md says what comes first. The chart as
# cluster/kubernetes/render.py writes it; change image, bucket, sizes and GPU groups to your liking.
"""


def manifests() -> str:
    """The chart with VALUES."""
    rendered = Chart.load(CHART).render(VALUES, name="pdray", namespace="pdray", revision=1)
    files = [text for path, text in sorted(rendered.items()) if path.endswith(".yaml")]
    parts = [part.strip() for text in files for part in text.split("\n---\n")]
    kept = [part.removeprefix("---").strip() for part in parts if part.strip("- \n")]
    text = "\n---\n".join(kept).replace(
        "app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/part-of: pdray"
    )
    return f"{_HEAD}{text}\n"


if __name__ == "__main__":
    PLAIN.write_text(manifests(), "utf-8")
