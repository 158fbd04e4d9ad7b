"""Allowances that fill up with time, for those who ask too often: those of one process."""

from time import monotonic

MOST_KEPT = 50_000


class Allowances:
    """One allowance a name: ``burst`` at once, ``a_second`` on the whole."""

    def __init__(self, a_second: float, burst: float) -> None:
        self._a_second = a_second
        self._burst = burst
        self._kept: dict[str, tuple[float, float]] = {}

    def left(self, name: str) -> bool:
        """Whether something is left."""
        return self._now(name) >= 1

    def spend(self, name: str) -> bool:
        """Take one; False where none is left."""
        left = self._now(name)
        if left < 1:
            return False
        if name not in self._kept and len(self._kept) >= MOST_KEPT:
            # Those who have been quiet have everything again, and need not be remembered.
            self._kept = {other: kept for other, kept in self._kept.items() if self._now(other) < self._burst}
            if len(self._kept) >= MOST_KEPT:
                return False
        self._kept[name] = (left - 1, monotonic())
        return True

    def wait(self, name: str) -> float:
        """Seconds until one is left."""
        return max(0.0, (1 - self._now(name)) / self._a_second)

    def _now(self, name: str) -> float:
        left, at = self._kept.get(name, (self._burst, 0.0))
        return min(self._burst, left + (monotonic() - at) * self._a_second)
