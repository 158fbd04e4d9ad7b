"""``manage.py telemetry``: the periodic work of all engines in one process, where no scheduler runs it."""

import logging
import time
from threading import Event, Thread
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from services.telemetry.jobs import follow, overdue, periodic

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """Compute roll-ups and trips, show latest values and places, notice silence and keep the partitions."""

    help = "Run the periodic work of telemetry, positions and the like until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="run everything once and end")

    def handle(self, *args: Any, **options: Any) -> None:
        work = periodic()
        last: dict[str, float] = {}
        if not options["once"]:
            # Beside the rest: a roll-up of a whole hour must not keep a value from the map.
            last["telemetry.columns"] = float("inf")
            Thread(target=follow, args=[Event()], daemon=True, name="columns").start()
        while True:
            for name in overdue(work, last):
                last[name] = time.monotonic()
                try:
                    work[name][0]()
                except (DatabaseError, psycopg.Error):
                    # The server may be restarting: the next round has a new connection.
                    if options["once"]:
                        raise
                    log.exception("%s failed and is tried again", name)
                    connection.close()
            if options["once"]:
                return
            time.sleep(1)
