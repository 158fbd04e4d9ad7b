"""The periodic work of positions: feature rows, trips, partitions. Each may run twice, late, or beside itself."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from services.positions import features, legs
from services.positions.models import TABLES, Aside
from services.telemetry import partitions

ASIDE_KEPT = timedelta(days=90)
EVERY = {"places": 3, "trips": 5, "months": 3600}
"""Seconds from one run of each to its next."""


@shared_task(name="positions.places", ignore_result=True)
def places() -> int:
    """Show the positions of the last minutes on their features."""
    return features.write(since=timezone.now() - timedelta(minutes=2))


@shared_task(name="positions.trips", ignore_result=True)
def trips() -> int:
    """Derive trips and stops from the positions that came."""
    return legs.derive()


@shared_task(name="positions.months", ignore_result=True)
def months() -> None:
    """Make partitions ahead, drop those that policy no longer keeps, show every feature's latest position."""
    partitions.ahead(tables=TABLES)
    link = partitions.raw()
    for month in partitions.due(link, getattr(settings, "POSITIONS_KEEP_MONTHS", 0), table=TABLES[0]):
        partitions.drop(link, month, TABLES[0])
    Aside.objects.filter(received_at__lt=timezone.now() - ASIDE_KEPT).delete()
    features.write()


WORK = {"months": months, "places": places, "trips": trips}
