"""The worker's task that empties the outbox."""

from celery import shared_task


@shared_task(name="notify.deliver")
def deliver() -> None:
    """Send what is due; a wake-up that comes twice or too late finds nothing to do."""
    from services.notify import outbox  # the outbox wakes this task

    outbox.deliver()
