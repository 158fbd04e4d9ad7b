"""The periodic work of fences; it may run twice, late, or beside itself."""

from celery import shared_task

from services.fences import warnings


@shared_task(name="fences.warn", ignore_result=True)
def warn() -> int:
    """Put what happened at fences into the alarm centre."""
    return warnings.warn()


EVERY = {"warn": 3}
"""Seconds from one run to the next."""
WORK = {"warn": warn}
