"""What every file format is read as: sources with columns, and rows with values and perhaps a geometry."""

from dataclasses import dataclass, field
from typing import Any

from shapely.geometry.base import BaseGeometry

MAX_ROWS = 1_000_000
MAX_COLUMNS = 500
MAX_NAME = 200


@dataclass(frozen=True)
class Source:
    """One table or layer of a file.

    ``rows`` is None where counting would mean reading the file. ``geometry`` is the type the file states, or empty
    for a table. ``crs`` is a WKT or ``EPSG:n`` text; empty where the file states none and a person must.
    """

    name: str
    columns: tuple[str, ...]
    rows: int | None = None
    geometry: str = ""
    crs: str = ""


@dataclass(slots=True)
class SourceRow:
    """One row: its number as a person counts it, values by column, a geometry where the format has one."""

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    geom: BaseGeometry | None = None
    problem: str = ""


def unique_names(names: list[Any]) -> list[str]:
    """Column names as text: blanks numbered, repeated ones told apart, overlong ones cut."""
    found: list[str] = []
    for place, name in enumerate(names, 1):
        text = " ".join(str(name).replace("\x00", "").split())[:MAX_NAME] if name not in (None, "") else f"#{place}"
        number = 2
        unique = text
        while unique in found:
            unique, number = f"{text} ({number})", number + 1
        found.append(unique)
    return found
