"""Periodic work: indicators are worked out every five minutes."""

from services.indicators.evaluate import evaluate


def lights() -> None:
    """Work all indicators out."""
    evaluate()


WORK = {"lights": lights}
EVERY = {"lights": 300.0}
"""Seconds."""
