"""Makes the index anew from the catalog: after a change of its settings, or where it was lost.

ray job submit --working-dir . -- python jobs/rebuild.py --workspace s3://bucket/pdray \\
  --qdrant-url http://qdrant:6333
"""

from pdray.cli.job import Job
from pdray.cli.mending import run_rebuild

if __name__ == "__main__":
    Job(__doc__).run(lambda settings, said: run_rebuild(settings, said.json))
