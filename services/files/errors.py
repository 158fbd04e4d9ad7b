"""Errors of keeping files."""

from services.access.errors import AccessError


class NoSpace(AccessError):
    """The disk for files is full: nothing was kept, the sender may try again later."""
