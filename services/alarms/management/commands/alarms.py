"""``manage.py alarms``: judge what comes in as soon as it is stored, and watch the clock."""

import logging
import time
from argparse import ArgumentParser
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from django.db import Error, connection, connections
from django.utils import timezone
from django.utils.translation import gettext as _

from services.alarms.evaluate import evaluate
from services.alarms.sweeps import sweep
from services.telemetry.clock import Clock
from services.telemetry.partitions import raw

log = logging.getLogger(__name__)

BREATH = 0.05
"""Seconds between two passes: what comes in meanwhile is judged together."""
PATIENCE = 2.0
"""Seconds after which it looks without having been woken."""
SWEEP = 5.0
"""Seconds between two looks at the clock's work."""


class Command(BaseCommand):
    """Any number of these may run; one that is killed leaves its work to the next."""

    help = _("监测告警：判断新到数据并产生告警；不带 --once 时持续运行。")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help=_("判断完已到数据后退出"))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            evaluate()
            sweep()
            return
        swept, began, clock = float("-inf"), timezone.now(), Clock()
        while True:
            try:
                listener = raw()
                listener.execute("listen arrived")
                while True:
                    evaluate()
                    if time.monotonic() - swept > SWEEP:
                        swept = time.monotonic()
                        if clock.was_set():
                            # Whoever set the clock silenced nobody (F13).
                            began = timezone.now()
                            clock.note()
                        sweep(since=began)
                    for _notice in listener.notifies(timeout=PATIENCE, stop_after=1):
                        pass
                    time.sleep(BREATH)
            except (Error, psycopg.Error) as error:  # the database is away or starts anew: it is asked again
                log.warning("alarms cannot be judged: %s", type(error).__name__)
                connection.close()
                connections.close_all()
                time.sleep(1)
