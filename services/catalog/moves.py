"""What moves: the declaration by which positions find the columns of a feature that drives or walks about."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Moves:
    """Columns and states of a model whose features move; the place is the layer's own, its ``time`` that of the fix.

    A state that is none of the three is somebody's judgement: it stays while the feature stands, and ends when it
    drives off or falls silent.
    """

    speed: str
    """Field for the speed in km/h."""
    heading: str
    """Field for degrees clockwise from north."""
    driving: str
    standing: str
    offline: str
    on_foot: bool = False
    """Walks: it moves from another speed on than a vehicle."""
