"""What devices tell of records: the declarations by which states of machines and outages find their columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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


@dataclass(frozen=True)
class Absence:
    """Columns of a record that is a time in which nothing was heard of its feature: each outage becomes one."""

    began: str
    ended: str
    given: Mapping[str, str] = field(default_factory=dict)
    """Fields that tell such a record from others of its kind, and what is in them then."""
