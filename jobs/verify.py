"""Proves that index and catalog hold the same images; exit code 1 where not.

ray job submit --working-dir . -- python jobs/verify.py --workspace s3://bucket/pdray \\
  --qdrant-url http://qdrant:6333
"""

from pdray.cli.job import Job
from pdray.cli.mending import run_verify

if __name__ == "__main__":
    Job(__doc__).run(lambda settings, said: run_verify(settings, said.json))
