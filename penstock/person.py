"""Who is at the keyboard, for commands and registrations that name their author."""

import getpass


def person() -> str:
    """The user's name as the operating system knows it.

    >>> isinstance(person(), str)
    True
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
