"""The process in which a version is refitted: its limits first, then the work; files in, files out.

    python -m registry.refit_process FOLDER PARENT_PID

The folder holds the job and the rows. A prepared version is left in it, or words that say why
there is none; the exit code says which. Whatever the fit does to this process, the shelf and
whoever waits for it are not touched.
"""

import os
import resource
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from runtime.watchdog import EXIT_MEMORY, Watchdog

EXIT_REFUSED: Final = 3
EXIT_VERSION_REFUSED: Final = 4
JOB, ROWS, REFUSAL = "job.json", "rows.arrow", "refusal.txt"
_PARENT_LOOK_S = 0.5
_NICENESS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RefitJob:
    """What to refit: the bundle below `bundles`, on the rows in the folder; `cause` asked for it."""

    bundles: str
    bundle: str
    cause: str
    judged_from: int
    trusted_types: tuple[str, ...]
    bundle_bytes_max: int
    memory_bytes_max: int

    def write(self, folder: Path) -> None:
        (folder / JOB).write_bytes(orjson.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "RefitJob":
        found = orjson.loads((folder / JOB).read_bytes())
        return cls(**{**found, "trusted_types": tuple(found["trusted_types"])})


def run_job(folder: Path) -> int:
    """Do the job in this process and return its exit code."""
    # scikit-learn comes after the limits, since its own allocations count as well.
    from registry.bundles import read_bundle  # noqa: PLC0415
    from registry.checks import load_version  # noqa: PLC0415
    from registry.errors import BundleRefusedError, EstimatorRefusedError  # noqa: PLC0415
    from registry.labeled_rows import read_rows  # noqa: PLC0415
    from registry.prepared_files import write_prepared  # noqa: PLC0415
    from registry.refitting import refit  # noqa: PLC0415
    from registry.skops_file import LoadLimits  # noqa: PLC0415

    job = RefitJob.read(folder)
    limits = LoadLimits(trusted_types=job.trusted_types, bytes_max=job.bundle_bytes_max)
    try:
        version = load_version(read_bundle(Path(job.bundles), job.bundle, bytes_max=job.bundle_bytes_max), limits)
    except (BundleRefusedError, OSError) as error:
        (folder / REFUSAL).write_text(str(error), encoding="utf-8")
        return EXIT_VERSION_REFUSED
    try:
        prepared = refit(version, read_rows(folder / ROWS, judged_from=job.judged_from), cause=job.cause, limits=limits)
    except EstimatorRefusedError as error:
        (folder / REFUSAL).write_text(str(error), encoding="utf-8")
        return EXIT_REFUSED
    write_prepared(folder, prepared)
    return 0


def _limited(memory_bytes_max: int) -> None:
    """Bound what this process may take: memory at the kernel where it does that, and by a look at itself."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes_max, memory_bytes_max))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Watchdog(memory_bytes_max=memory_bytes_max).start()


def _end_with_parent(parent: int) -> None:
    """A fit that nobody waits for any more must not go on. The parent says who it is: it may be gone by now."""
    while os.getppid() == parent:
        time.sleep(_PARENT_LOOK_S)
    os._exit(1)


def main(arguments: list[str]) -> int:
    name, parent = arguments
    folder = Path(name)
    threading.Thread(target=_end_with_parent, args=(int(parent),), name="parent", daemon=True).start()
    _limited(RefitJob.read(folder).memory_bytes_max)
    try:
        return run_job(folder)
    except MemoryError:
        return EXIT_MEMORY


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
