"""The `penstock` command's entry: `penstock ...` or `python -m penstock ...`."""

import sys

from penstock.cli.boundary import run_command


def main() -> None:
    """Run the command line and leave with its exit code: 0, 1 for failure, 2 for bad usage."""
    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
