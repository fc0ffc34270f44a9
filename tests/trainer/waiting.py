"""A process that waits for a fit, so that a test can kill it: `python -m tests.trainer.waiting FOLDER`."""

import sys
from pathlib import Path

from consumers.trainer.fit_process import FitProcess
from registry.labeled_rows import read_rows
from registry.refit_process import ROWS, RefitJob

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    job = RefitJob.read(folder)
    rows = read_rows(folder / ROWS, judged_from=job.judged_from)
    FitProcess(timeout_s=600.0).run(folder, job, rows, wanted=lambda: True)
