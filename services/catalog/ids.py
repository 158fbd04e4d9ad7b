"""Identifiers: UUID version 7 (RFC 9562 §5.7), ordered by time, made alike in Python and in PostgreSQL."""

import os
import time
from uuid import UUID

from django.db.models import Func, UUIDField


def uuid7() -> UUID:
    """A new identifier: 48 bits of Unix milliseconds, then random bits."""
    value = int.from_bytes((time.time_ns() // 1_000_000).to_bytes(6) + os.urandom(10))
    value = value & ~(0xF << 76) | (0x7 << 76)
    return UUID(int=value & ~(0x3 << 62) | (0x2 << 62))


class UUID7(Func):
    """The database's own ``uuid7()``, so that bulk loads in SQL need no Python."""

    function = "uuid7"
    output_field = UUIDField()
