"""``manage.py gateway``: serve the devices' protocols."""

import asyncio
import resource
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from psycopg.conninfo import make_conninfo

from ingest.gateways.serve import PROTOCOLS, kind, serve

LINK = {
    "application_name": "zhutu gateway",
    # A half-open connection or a held lock must not stop the gateway: it tries again (F09, F12). Of several hosts it
    # takes the one that writes (F10).
    "tcp_user_timeout": "10000", "keepalives_idle": "4", "keepalives_interval": "2", "keepalives_count": "3",
    "target_session_attrs": "read-write", "options": "-c lock_timeout=10s -c statement_timeout=30s",
}  # fmt: skip


class Command(BaseCommand):
    """Serve protocols of devices until SIGTERM: all of them, or those named."""

    # The checks import every screen: fifty megabytes that a gateway has no use for.
    requires_system_checks = []
    help = "Serve the protocols of devices: " + ", ".join(PROTOCOLS)

    def add_arguments(self, parser: CommandParser) -> None:
        """Which, and where."""
        parser.add_argument("protocols", nargs="*", metavar="PROTOCOL[:PORT]", help=", ".join(PROTOCOLS))
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve."""
        # A device is an open file, and the usual soft limit is 1,024 (F22).
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        ports: dict[str, int] = {}
        for asked in options["protocols"] or PROTOCOLS:
            name, _, port = asked.partition(":")
            if name not in PROTOCOLS or (port and not (port.isdigit() and int(port) < 65536)):
                raise CommandError(
                    f"there is no {asked!r}; choose among {', '.join(PROTOCOLS)}, with a port after a colon"
                )
            ports[name] = int(port) if port else kind(name).port
        given = connection.get_connection_params()
        wanted = {name: given[name] for name in ("host", "port", "user", "password", "dbname") if given.get(name)}
        asyncio.run(serve(make_conninfo(**wanted, **LINK), options["host"], ports))
