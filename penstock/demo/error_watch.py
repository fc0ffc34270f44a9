"""Has the error rate risen since the fault, and has it fallen again? Rates come in, words go out. Pure."""

RISE = 0.05
"""So much above the rate of before it has risen; half way back from its highest it has fallen."""


class ErrorWatch:
    """`before`: the error rate before the fault; `highest`: since then, None until it has risen."""

    def __init__(self) -> None:
        self.before: float | None = None
        self.highest: float | None = None
        self.fallen = False

    @property
    def recovered(self) -> bool:
        """Whether there is nothing left to recover from."""
        return self.highest is None or self.fallen

    def observe(self, before: float, now: float, *, flights: int, answered: bool) -> str:
        """Take in the rate of the newest flights; news in words, else nothing.

        It can only fall again once the fault is answered: until then a calm day is none of our doing.

        >>> watch = ErrorWatch()
        >>> watch.observe(0.1, 0.12, flights=1_000, answered=False)
        ''
        >>> watch.observe(0.1, 0.3, flights=1_000, answered=False)
        'the error rate rises: 0.300 of the newest 1,000 flights, 0.100 before the fault'
        >>> watch.observe(0.1, 0.15, flights=1_000, answered=True)
        'the error rate has fallen: 0.150 of the newest 1,000 flights, 0.300 at its highest'
        """
        self.before = before
        if self.highest is None:
            if now < before + RISE or answered:
                return ""
            self.highest = now
            return f"the error rate rises: {now:.3f} of the newest {flights:,} flights, {before:.3f} before the fault"
        self.highest = max(self.highest, now)
        if self.fallen or not answered or now > before + (self.highest - before) / 2:
            return ""
        self.fallen = True
        return (
            f"the error rate has fallen: {now:.3f} of the newest {flights:,} flights, {self.highest:.3f} at its highest"
        )
