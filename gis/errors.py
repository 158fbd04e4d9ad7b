"""What can be wrong with a place, a CRS, a tile address or a vector file; the subclasses are named for the reaction."""

Place = tuple[float, float]


class SpatialError(ValueError):
    """Base of this package's refusals.

    Parameters
    ----------
    message
        A whole sentence for the user that says what to do next.
    code
        Short machine-readable reason, stable between releases.
    place
        ``(x, y)`` of the fault in the CRS of the input, or ``None`` where the fault has no place.
    """

    def __init__(self, message: str, code: str = "invalid", place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.place = place


class CrsError(SpatialError):
    """A coordinate reference system that cannot be used."""


class UnknownCRS(CrsError):
    """A coordinate reference system that is not served; the message lists those that are."""


class MissingParameters(CrsError):
    """A known CRS that cannot be brought to the storage CRS without local transformation parameters."""


class GeometryError(SpatialError):
    """A geometry that must be corrected before it can be stored."""


class GeometryTooLarge(GeometryError):
    """A geometry over the limits of vertices or bytes."""


class BoundsError(SpatialError):
    """A bounding box that cannot be read."""


class TileOutOfRange(SpatialError):
    """A tile address outside the tile matrix set."""


class VectorError(SpatialError):
    """A vector file that cannot be read."""


class VectorTooLarge(VectorError):
    """A vector file over the limits of size, count or compression."""
