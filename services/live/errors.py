"""Errors of live events."""


class LiveError(Exception):
    """Base."""


class TooOld(LiveError):
    """What happened since then is not kept any more, or is too much: read everything again."""
