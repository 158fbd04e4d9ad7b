"""``manage.py subscriptions``: hand alarms on to subscribed systems as soon as they are noted."""

import logging
import time
from argparse import ArgumentParser
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from django.db import Error, connections
from django.utils.translation import gettext as _

from services.subscriptions import delivering
from services.telemetry.partitions import raw

log = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds after which it looks without having been woken."""
AT_ONCE = 8
"""Systems that are sent to at the same time: a slow one holds up no other."""
SWEEP = 3600.0


class Command(BaseCommand):
    """Any number of these may run: each system is sent to by one at a time."""

    help = _("向订阅方推送告警；不带 --once 时持续运行。")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help=_("推送完待送达的告警后退出"))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            self.stdout.write(str(sum(delivering.deliver(pk) for pk in delivering.waiting())))
            return
        swept = float("-inf")
        running: dict[int, Future[None]] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while True:
                try:
                    listener = raw()
                    listener.execute("listen subscriptions")
                    while True:
                        if time.monotonic() - swept > SWEEP:
                            swept = time.monotonic()
                            delivering.sweep()
                        running = {pk: work for pk, work in running.items() if not work.done()}
                        for pk in delivering.waiting():
                            if pk not in running:
                                running[pk] = pool.submit(_deliver, pk)
                        for _notice in listener.notifies(timeout=PATIENCE, stop_after=1):
                            pass
                except (Error, psycopg.Error) as error:  # the database is away or starts anew: it is asked again
                    log.warning("subscriptions cannot be read: %s", type(error).__name__)
                    connections.close_all()
                    time.sleep(1)


def _deliver(pk: int) -> None:
    try:
        delivering.deliver(pk)
    except (Error, psycopg.Error) as error:
        log.warning("subscription %s: %s", pk, type(error).__name__)
    except Exception:
        log.exception("subscription %s cannot be served", pk)
    finally:
        connections.close_all()
