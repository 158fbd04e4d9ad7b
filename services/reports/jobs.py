"""The periodic work: editions of periods that are over or that late data changed."""

from celery import shared_task

from services.reports import making

SECONDS = 3.0
"""How long one round may take: it runs beside the roll-ups, which must not wait."""


@shared_task(name="reports.editions", ignore_result=True)
def editions() -> int:
    """Make what is due, the latest period first; it may run twice, late or beside itself."""
    return making.work(SECONDS)


WORK = {"editions": editions}
EVERY = {"editions": 20}
"""Seconds from one run to the next."""
