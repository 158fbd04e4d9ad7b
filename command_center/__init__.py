"""Screens and composition root: settings, doors, errors to HTTP."""

import gc

# Half a million objects come to stay while the product is loaded: to look through them seven hundred times over, as the
# default of 700 new objects has it, takes a fifth of the start, and later a share of every request.
gc.set_threshold(50_000, 20, 50)

from command_center.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
