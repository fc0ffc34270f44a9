"""Who asks: people by the name of their account, automation by a name that no account can have.

A person outranks automation, and some things only a person may ask for; the name in a command
and in an event is what tells them apart.
"""

_AUTOMATION = "penstock:"


def automation(part: str) -> str:
    """The name under which a part of penstock asks for something by itself.

    >>> automation("trainer")
    'penstock:trainer'
    """
    return f"{_AUTOMATION}{part}"


def is_automation(issued_by: str) -> bool:
    """Whether no person stands behind it.

    >>> is_automation(automation("trainer")), is_automation("ann")
    (True, False)
    """
    return issued_by.startswith(_AUTOMATION)
