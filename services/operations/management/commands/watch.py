"""``manage.py watch``: the platform looks at its own sessions, logs and database, again and again, or once."""

import logging
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from django.db import Error, close_old_connections, connection
from django.utils.translation import gettext as _

from services.operations import keeping, watched

log = logging.getLogger(__name__)

LOOKS: tuple[tuple[Callable[[], object], float], ...] = (
    (watched.blocks, 1.0),
    (watched.database, 2.0),
    (watched.errors, 15.0),
    (watched.calm, 30.0),
    (watched.guards, 60.0),
    (keeping.housekeeping, 3600.0),
)
"""What is looked at, and seconds from one look to the next."""


class Command(BaseCommand):
    """Blocked sessions, the database's log, rises of errors, protection of the records, old rows."""

    help = _("系统自监控：会话阻塞、数据库审计、日志错误突增；不带 --once 时持续运行。")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help=_("各看一次后退出"))

    def handle(self, *args: Any, **options: Any) -> None:
        due = dict.fromkeys((look for look, _every in LOOKS), 0.0)
        while True:
            for look, every in LOOKS:
                if options["once"]:
                    look()
                elif time.monotonic() >= due[look]:
                    due[look] = time.monotonic() + every
                    self._try(look)
            if options["once"]:
                return
            time.sleep(0.2)

    def _try(self, look: Callable[[], object]) -> None:
        try:
            look()
        except (
            Error,
            psycopg.Error,
        ) as error:
            # The database is away, starts anew, or somebody holds the tables: it is looked at again.
            log.warning("%s cannot be looked at: %s", look.__name__, error)
            connection.close()
            close_old_connections()
        except Exception:
            # One look that fails must not stop the others.
            log.exception("%s failed", look.__name__)
