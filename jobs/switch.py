"""Gives a collection another model, on all nodes, while it goes on serving with the one it has.

ray job submit --working-dir . --runtime-env jobs/runtime_env.yaml -- \\
  python jobs/switch.py google/siglip2-base-patch16-224 --workspace s3://bucket/pdray \\
  --qdrant-url http://qdrant:6333
"""

from argparse import Namespace

from pdray.cli.job import Flags, Job
from pdray.cli.switching import run_switch


def work(settings: Flags, said: Namespace) -> None:
    run_switch(settings, said.model, said.rollback, said.allow_missing, said.json)


if __name__ == "__main__":
    job = Job(__doc__)
    job.takes("model", nargs="?", metavar="NEW", help="builtin, a local folder or a hub name.")
    job.takes("--rollback", action="store_true", help="Back to the model before this one.")
    job.takes("--allow-missing", action="store_true", help="Even where images can't be read.")
    job.run(work)
