"""Screens and composition root: settings, doors, errors to HTTP."""

import gc

# Nearly everything made while the product is loaded stays. To look for rubbish among it after every 700 new objects, as
# is the default, took up to a fifth of the start (docs/benchmarks.md).
gc.set_threshold(50_000, 20, 50)

from command_center.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
