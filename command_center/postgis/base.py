"""What ``DATABASES`` names as its engine."""

import select
from collections.abc import Callable
from typing import Any

from django.contrib.gis.db.backends.postgis import base

from services.operations.working import marked


def _signed(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    return execute(marked(sql) if isinstance(sql, str) else sql, params, many, context)


class DatabaseWrapper(base.DatabaseWrapper):
    """PostGIS; a kept connection is tried at the start of every request without a question to the server.

    Every question says for which account it is asked: whoever blocks others is known by name (ADR 9).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(_signed)

    def is_usable(self) -> bool:
        """Whether the connection lives: its socket is silent, as that of a waiting server is.

        A server that went away has closed the socket, and one that shuts down has written to it: both make it
        readable. Then the server is asked, as Django always does, which costs half of a cached tile.
        """
        if self.connection is None or self.connection.closed:
            return False
        silent = select.poll()
        silent.register(self.connection.fileno(), select.POLLIN)
        return not silent.poll(0) or super().is_usable()
