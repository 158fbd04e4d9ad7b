"""Inverse distance weighting in a plane: which stations a place hears, with what weight, and how well that predicts."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Numbers = NDArray[np.int16]

NEAREST_M = 1.0
"""Metres; a station nearer than this counts as this far, so that no weight is infinite."""
_AT_ONCE = 4_000_000
"""Distances held in memory at a time."""


def neighbours(
    points: Floats, stations: Floats, *, most: int, power: float, radius: float | None = None
) -> list[tuple[Numbers, Floats]]:
    """For each point the stations it hears, the nearest first, with their weights.

    Parameters
    ----------
    points, stations
        Arrays of shape (n, 2) and (m, 2): x and y in metres.
    most
        Stations a point hears at most.
    power
        The weight of a station at distance d is d^-power.
    radius
        Metres beyond which no station is heard; ``None`` for no limit.

    Returns
    -------
    list
        A pair per point: numbers of stations from 0 on, and their weights. Equally near stations keep their order.
    """
    found: list[tuple[Numbers, Floats]] = []
    for _start, distances in _distances(points, stations):
        order = _nearest(distances, most)
        near = np.sqrt(np.take_along_axis(distances, order, axis=1))
        weights = _weights(near, power)
        for numbers, each, far in zip(order, weights, near, strict=True):
            heard = slice(None) if radius is None else far <= radius
            found.append((numbers[heard].astype(np.int16), each[heard]))
    return found


def leave_one_out(
    stations: Floats, values: Floats, *, most: int, power: float, radius: float | None = None
) -> Floats:  # fmt: skip
    """What the other stations say at each station; NaN where none is heard."""
    estimates = np.full(len(stations), np.nan)
    for start, distances in _distances(stations, stations):
        here = np.arange(len(distances))
        distances[here, start + here] = np.inf
        order = _nearest(distances, most)
        near = np.sqrt(np.take_along_axis(distances, order, axis=1))
        heard = np.isfinite(near) & (near <= (np.inf if radius is None else radius))
        weights = np.where(heard, _weights(near, power), 0.0)
        with np.errstate(invalid="ignore"):
            estimates[start + here] = (weights * values[order]).sum(axis=1) / weights.sum(axis=1)
    return estimates


def errors(estimates: Floats, values: Floats) -> tuple[float, float, float] | None:
    """Root mean square error, mean absolute error and bias of the estimates there are; ``None`` without any."""
    known = np.isfinite(estimates)
    if not known.any():
        return None
    off = estimates[known] - values[known]
    return float(np.sqrt((off**2).mean())), float(np.abs(off).mean()), float(off.mean())


def _distances(points: Floats, stations: Floats) -> Iterator[tuple[int, Floats]]:
    """Squared distances of some points at a time to every station, with the number of the first of them."""
    step = max(1, _AT_ONCE // max(1, len(stations)))
    for start in range(0, len(points), step):
        some = points[start : start + step]
        yield start, (some[:, :1] - stations[:, 0]) ** 2 + (some[:, 1:] - stations[:, 1]) ** 2


def _nearest(distances: Floats, most: int) -> NDArray[np.intp]:
    """The columns of the nearest, in the order of distance and then of number."""
    if distances.shape[1] <= most:
        return np.argsort(distances, axis=1, kind="stable")
    few = np.sort(np.argpartition(distances, most - 1, axis=1)[:, :most], axis=1)
    inner = np.argsort(np.take_along_axis(distances, few, axis=1), axis=1, kind="stable")
    return np.take_along_axis(few, inner, axis=1)


def _weights(distances: Floats, power: float) -> Floats:
    weights: Floats = np.maximum(distances, NEAREST_M) ** -power
    return weights
