"""``manage.py surfaces``: the surfaces of every hour in one process, where no scheduler runs them."""

import logging
import os
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from services.surfaces.jobs import EVERY, due

log = logging.getLogger(__name__)

NICE = 10
REST = 1.0
"""Times that it rests as long as hours of long ago took: the database that works for it knows no niceness."""


class Command(BaseCommand):
    """Compute surfaces as hours end and late data come."""

    help = "Compute the surfaces of hours that are over until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="compute what is due and end")

    def handle(self, *args: Any, **options: Any) -> None:
        os.nice(NICE)
        while True:
            try:
                due(0.0 if options["once"] else REST)
            except DatabaseError:
                # The server may be restarting: the next round has a new connection.
                if options["once"]:
                    raise
                log.exception("surfaces failed and are tried again")
                connection.close()
            if options["once"]:
                return
            time.sleep(EVERY)
