"""What ``DATABASES`` names as its engine."""

import select

from django.contrib.gis.db.backends.postgis import base


class DatabaseWrapper(base.DatabaseWrapper):
    """PostGIS; a kept connection is tried at the start of every request without a question to the server."""

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
