"""Whether the clock of this machine was set: times that were written before then say nothing of how long ago (F13)."""

import time

JUMP = 60.0
"""Seconds by which the clock may drift from one that nobody sets, before that is a jump."""


class Clock:
    """Watches the clock from when it is made."""

    def __init__(self) -> None:
        self.note()

    def was_set(self) -> bool:
        """Whether it was set, forward or back, since that was last noted."""
        return abs(_apart() - self._noted) > JUMP

    def note(self) -> None:
        """What follows from its having been set is done."""
        self._noted = _apart()


def _apart() -> float:
    # A machine that slept did not hear anybody either, and its monotonic clock stood still.
    return time.time() - time.monotonic()
