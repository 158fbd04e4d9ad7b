"""Classes of values on a map: the upper ends of equal intervals, quantiles or natural breaks."""

from collections.abc import Sequence

import numpy as np

MOST_CLASSES = 9
SAMPLED = 1_000
"""Values from which natural breaks are found; of more every n-th in their order."""


def breaks(values: Sequence[float], number: int, method: str, own: Sequence[float] = ()) -> list[float]:
    """The ends of the classes, the lowest and the highest value among them: one more than there are classes.

    ``method`` is ``equal``, ``quantile``, ``natural`` or ``own``, of which ``own`` are the inner ends. Fewer distinct
    values than classes give fewer classes; no values give none.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    if ordered.size == 0:
        return []
    low, high = float(ordered[0]), float(ordered[-1])
    number = max(1, min(number, MOST_CLASSES, len(np.unique(ordered))))
    if method == "own":
        return [min(low, *own), *sorted(own), max(high, *own)] if own else [low, high]
    if low == high:
        return [low, high]
    if method == "equal":
        inner = np.linspace(low, high, number + 1)[1:-1]
    elif method == "quantile":
        inner = np.quantile(ordered, np.linspace(0, 1, number + 1)[1:-1])
    else:
        inner = np.asarray(_natural(ordered, number))
    # Values that are often equal make ends that are equal: one of them is enough. The lowest may be a class of its own.
    return [low, *(float(each) for each in np.unique(inner) if low <= each < high), high]


def place(value: float, ends: Sequence[float]) -> int:
    """The class of a value: the first whose upper end it does not exceed."""
    return next((n for n, end in enumerate(ends[1:]) if value <= end), max(0, len(ends) - 2))


def _natural(ordered: np.ndarray, number: int) -> list[float]:
    """Inner ends that make the squares of distances from the means of the classes least (Fisher 1958)."""
    if ordered.size > SAMPLED:
        ordered = ordered[np.linspace(0, ordered.size - 1, SAMPLED).astype(int)]
    n = ordered.size
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    squares = np.concatenate([[0.0], np.cumsum(ordered**2)])

    def cost(begin: np.ndarray, end: int) -> np.ndarray:
        return (squares[end] - squares[begin]) - (sums[end] - sums[begin]) ** 2 / (end - begin)

    best = np.array([np.inf if end == 0 else float(cost(np.array([0]), end)[0]) for end in range(n + 1)])
    cuts = np.zeros((number, n + 1), dtype=int)
    for k in range(1, number):
        following = np.full(n + 1, np.inf)
        for end in range(k + 1, n + 1):
            begins = np.arange(k, end)
            costs = best[begins] + cost(begins, end)
            at = int(np.argmin(costs))
            following[end], cuts[k, end] = costs[at], begins[at]
        best = following
    ends, end = [], n
    for k in range(number - 1, 0, -1):
        end = int(cuts[k, end])
        ends.append(float(ordered[end - 1]))
    return ends[::-1]
