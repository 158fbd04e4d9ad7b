"""Errors named for the reaction they cause; command_center/errors.py maps them to HTTP."""

from collections.abc import Mapping
from typing import Any


class AccessError(Exception):
    """Base: something a caller asked for was not done, and why."""

    def __init__(self, message: Any = "", **details: Any) -> None:
        super().__init__(message)
        self.message = str(message)
        self.details = details


class LogInNeeded(AccessError):
    """Nobody, or a token that no longer holds: log in."""


class Refused(AccessError):
    """The principal may see this but not do that to it."""


class NotFound(AccessError):
    """There is no such thing, or not for this principal: the two look alike."""


class Conflict(AccessError):
    """Somebody changed it since it was read, or it is still in use."""


class Invalid(AccessError):
    """The input is wrong; ``fields`` names each field and what it allows."""

    def __init__(self, message: Any, fields: Mapping[str, list[str]] | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.fields = dict(fields or {})


class Objected(Invalid):
    """The layer's domain holds something against the row: nothing is written until somebody has decided on that.

    ``notes`` are the rows in which the domain keeps what it found, to be decided on; empty until it has kept them.
    """

    def __init__(self, message: Any, fields: Mapping[str, list[str]], row: Any) -> None:
        super().__init__(message, fields)
        self.row = row
        self.notes: list[Any] = []


class TooLarge(AccessError):
    """The input is over a stated limit."""


class TooMany(AccessError):
    """Asked too often: ``retry_after`` is after how many seconds to ask again."""

    def __init__(self, message: Any = "", *, retry_after: float, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after = max(1, round(retry_after + 0.5))
