"""Merges small files of the workspace into large ones and removes what nothing uses any more.

ray job submit --working-dir . -- python jobs/compact.py --workspace s3://bucket/pdray \\
  --qdrant-url http://qdrant:6333
"""

from argparse import Namespace

from pdray.cli.job import Flags, Job
from pdray.cli.keeping import run_compact


def work(settings: Flags, said: Namespace) -> None:
    # One collection where one is named, else all: what `collection` defaults to is not meant.
    run_compact(settings, settings.get("collection"), said.dry_run, said.grace, said.json)


if __name__ == "__main__":
    job = Job(__doc__)
    job.takes("--dry-run", action="store_true", help="Only count.")
    job.takes("--grace", type=float, default=60.0, metavar="SECONDS", help="Leave younger files.")
    job.run(work)
