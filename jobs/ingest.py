"""Indexes what is new or changed in the sources, on all nodes. Submitted again, it goes on.

ray job submit --working-dir . --runtime-env jobs/runtime_env.yaml -- \\
  python jobs/ingest.py s3://bucket/photos --workspace s3://bucket/pdray \\
  --qdrant-url http://qdrant:6333
"""

from argparse import Namespace

from pdray.cli.indexing import run_index
from pdray.cli.job import Flags, Job


def work(settings: Flags, said: Namespace) -> None:
    asked = {
        "full": said.full,
        "retry_failed": said.retry_failed,
        "dry_run": said.dry_run,
        "allow_deletes": said.allow_deletes,
        "include": tuple(said.include),
        "exclude": tuple(said.exclude),
    }
    run_index(settings, said.sources, asked, said.json)


if __name__ == "__main__":
    job = Job(__doc__)
    job.takes("sources", nargs="+", metavar="SOURCE", help="Folders on all nodes, shards, URLs.")
    job.takes("--include", action="append", default=[], metavar="GLOB", help="Only these.")
    job.takes("--exclude", action="append", default=[], metavar="GLOB", help="Not these.")
    job.takes("--full", action="store_true", help="Read every image again.")
    job.takes("--retry-failed", action="store_true", help="Read again what failed before.")
    job.takes("--dry-run", action="store_true", help="Only count.")
    job.takes("--allow-deletes", action="store_true", help="Delete even if very many vanished.")
    job.run(work)
