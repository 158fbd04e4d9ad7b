"""Screens and composition root: settings, doors, errors to HTTP."""

from command_center.celery import app as celery_app

__all__ = ["celery_app"]
