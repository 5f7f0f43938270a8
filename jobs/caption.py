"""Describes in words what is indexed already, on all nodes. Nothing is embedded again.

ray job submit --working-dir . --runtime-env jobs/runtime_env.yaml -- \\
  python jobs/caption.py --workspace s3://bucket/pdray --qdrant-url http://qdrant:6333
"""

from pdray.cli.captioning import run_caption
from pdray.cli.job import Job

if __name__ == "__main__":
    Job(__doc__).run(lambda settings, said: run_caption(settings, said.json))
