"""The periodic work: waking a worker that makes editions of periods that are over or that late data changed."""

import logging

from celery import current_app, shared_task

from services.reports import making

log = logging.getLogger(__name__)

SECONDS = 10.0
"""How long a worker begins new editions before others have their turn at it."""


@shared_task(name="reports.make", ignore_result=True, time_limit=SECONDS + making.LIMIT + 30)
def make() -> int:
    """Make what is due, the latest period first; it may run twice, late or beside itself."""
    return making.turn(SECONDS)


def editions() -> None:
    """Wake a worker: what makes an edition may be slow, and nothing periodic is to wait for it."""
    try:
        # A wake-up that nobody took is worth nothing: others follow.
        with current_app.connection_for_write(transport_options={"max_retries": 0}) as link:
            make.apply_async(connection=link, retry=False, expires=EVERY["editions"] * 2)
    except Exception as error:  # whatever the broker's client raises: the other periodic work goes on without it
        log.warning("no worker can be woken to make reports: %s", type(error).__name__)


WORK = {"editions": editions}
EVERY = {"editions": 20}
"""Seconds from one run to the next."""
