"""The periodic work: runs of hours that are over or were changed by late data."""

from celery import shared_task

from services.surfaces import runs

EVERY = 20
"""Seconds from one look for new hours to the next."""


@shared_task(name="surfaces.due", ignore_result=True)
def due(rest: float = 0.0) -> int:
    """Compute every run that is due; it may run twice, late or beside itself. ``rest`` as for ``runs.work``."""
    done = 0
    while True:
        runs.plan()
        some = runs.work(rest=rest)
        done += some
        if not some:
            return done
