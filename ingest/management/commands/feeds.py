"""``manage.py feeds``: pull the sources whose time has come, where no worker does, or one of them now."""

import logging
import time
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.utils import timezone

from ingest.feeds import pulling
from services.feeds.models import Source

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """Pull again and again, once, or a named source at once."""

    help = "Pull data from existing systems: what is due, until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="of a source that is pulled now, due or not; then end")
        parser.add_argument("--once", action="store_true", help="pull what is due and end")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        if name and not Source.objects.filter(name=name, enabled=True).update(next_at=timezone.now()):
            raise CommandError(f"there is no source {name!r} that is switched on")
        while True:
            try:
                count = pulling.pull_due()
                if options["once"] or name:
                    self.stdout.write(f"{count} pulled")
                    return
            except (DatabaseError, psycopg.Error):
                if options["once"] or name:
                    raise
                log.exception("the database cannot be asked and is tried again")
                connection.close()
            time.sleep(2)
