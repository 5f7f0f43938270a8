"""Copies the workspace to a folder or URL, or brings that copy up to date, while runs go on.

ray job submit --working-dir . -- python jobs/backup.py s3://other/backup --workspace s3://bucket/pdray
"""

from pdray.cli.job import Job
from pdray.cli.keeping import run_backup

if __name__ == "__main__":
    job = Job(__doc__).takes("dest", metavar="DEST", help="Folder or URL of the copy.")
    job.run(lambda settings, said: run_backup(settings, said.dest, said.json))
