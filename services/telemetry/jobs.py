"""The periodic work: roll-ups, feature columns, silence, partitions. Each may run twice, late, or beside itself."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Event

import psycopg
from celery import shared_task
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from services.telemetry import devices, features, partitions, rollups
from services.telemetry.clock import Clock
from services.telemetry.models import Quarantined
from services.telemetry.store import STORED

log = logging.getLogger(__name__)

QUARANTINE_KEPT = timedelta(days=90)
GATHER = 0.3
"""Seconds for which arrivals gather before they are shown."""
RECENT = timedelta(seconds=20)
"""What a wake-up shows: a commit may come some seconds after the reception."""
ARRIVALS_KEPT = timedelta(days=7)
"""How long what came in waits for whoever judges it."""
EVERY = {"columns": 3, "silence": 15, "finished": 20, "running": 300, "housekeeping": 3600}
"""Seconds from one run of each to its next."""
CLOCK = Clock()


@shared_task(name="telemetry.columns", ignore_result=True)
def columns(window: timedelta = timedelta(minutes=2)) -> int:
    """Show the readings of the last minutes on their features."""
    return features.write(since=timezone.now() - window)


def follow(stop: Event) -> None:
    """Show readings as soon as they are stored, until told to stop; all of the last minutes every few seconds."""
    swept = float("-inf")
    while not stop.is_set():
        try:
            # On the same connection: what is told while the columns are written waits on it.
            link = partitions.raw()
            link.execute(f"listen {STORED}")
            while not stop.is_set():
                told = list(link.notifies(timeout=EVERY["columns"], stop_after=1))
                if told:
                    time.sleep(GATHER)
                whole = time.monotonic() - swept >= EVERY["columns"]
                columns() if whole else columns(RECENT)
                swept = time.monotonic() if whole else swept
        except (DatabaseError, psycopg.Error):
            # The server may be restarting: the next round has a new connection.
            log.exception("the latest values cannot be shown and are tried again")
            connection.close()
            stop.wait(1)


@shared_task(name="telemetry.silence", ignore_result=True)
def silence() -> int:
    """Set devices offline that fell silent, and their features; whoever sets the clock silences nobody (F13)."""
    link = partitions.raw()
    if CLOCK.was_set():
        log.warning("the clock was set: silence of devices counts from now")
        devices.clock_was_set(link)
        CLOCK.note()
    return len(devices.mark_silent(link))


@shared_task(name="telemetry.finished", ignore_result=True)
def finished() -> None:
    """Compute marked hours, days and months that are over."""
    rollups.compute()


@shared_task(name="telemetry.running", ignore_result=True)
def running() -> None:
    """Compute the marked hours, days and months of now, as far as they are."""
    rollups.compute(running=True)


@shared_task(name="telemetry.housekeeping", ignore_result=True)
def housekeeping() -> None:
    """Make partitions ahead, put away those that policy no longer keeps, and show every feature's latest values."""
    partitions.ahead()
    folder = getattr(settings, "READINGS_ARCHIVE", None)
    partitions.retire(partitions.raw(), getattr(settings, "READINGS_KEEP_MONTHS", 0), Path(folder) if folder else None)
    Quarantined.objects.filter(received_at__lt=timezone.now() - QUARANTINE_KEPT).delete()
    partitions.raw().execute("delete from telemetry_arrival where noted_at < now() - %s", [ARRIVALS_KEPT])
    features.write()


WORK = {
    "housekeeping": housekeeping,
    "columns": columns,
    "silence": silence,
    "finished": finished,
    "running": running,
}


def periodic() -> dict[str, tuple[Callable[[], object], float]]:
    """The periodic work of all engines and domains, with the seconds to its next run.

    An engine declares WORK and EVERY in its ``jobs``, a domain in its ``flows``.
    """
    found: dict[str, tuple[Callable[[], object], float]] = {}
    places = {"services": "jobs", "layers": "flows"}
    for config in apps.get_app_configs():
        place = places.get(config.name.partition(".")[0])
        if place is None or find_spec(f"{config.name}.{place}") is None:
            continue
        jobs = import_module(f"{config.name}.{place}")
        every = getattr(jobs, "EVERY", {})
        found |= {f"{config.label}.{name}": (work, every[name]) for name, work in getattr(jobs, "WORK", {}).items()}
    return found


def overdue(work: dict[str, tuple[Callable[[], object], float]], last: dict[str, float]) -> list[str]:
    """The work whose time has come, by the monotonic times of its last runs."""
    now = time.monotonic()
    return [name for name, (_run, every) in work.items() if now - last.get(name, float("-inf")) >= every]
