"""When the next record may go: a decision without a clock."""


def due_at_s(sent: int, rate: float | None) -> float:
    """Seconds after the start at which record number `sent` may go; `rate` is records a second.

    The schedule is open: a late record does not push back those after it.

    >>> due_at_s(0, 100.0), due_at_s(250, 100.0), due_at_s(250, None)
    (0.0, 2.5, 0.0)
    """
    return 0.0 if rate is None else sent / rate
