"""What is watched: the declaration by which the state of a machine finds the columns of its record."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Watched:
    """Columns of a record that is a machine, and what the values of a device mean in its own states."""

    signal: str
    """Field for the name under which devices speak of it, such as ``SB1``."""
    state: str
    at: str
    """Field for the moment since when the state holds."""
    states: Mapping[int, str]

    @property
    def columns(self) -> Mapping[str, str]:
        """Part → field."""
        return {"signal": self.signal, "state": self.state, "at": self.at}
