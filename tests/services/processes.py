"""How server processes are started so that none outlives its tests."""

import shutil


def dies_with_us() -> list[str]:
    """Where util-linux has it, a server gets SIGTERM when whoever started it is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig=TERM"] if setpriv else []
