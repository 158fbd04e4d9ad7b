"""The Celery application: background work on Redis."""

import gc
import logging
import os

from celery import Celery
from celery.signals import after_setup_logger, worker_before_create_process
from django.conf import settings
from kombu import Queue

from services.operations.collecting import Collector
from services.operations.queues import BACKGROUND, INTERACTIVE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "command_center.settings")

app = Celery("zhutu")
app.config_from_object("django.conf:settings", namespace="CELERY")
# A worker that is not told otherwise serves both; a task that says nothing is not what somebody waits for.
app.conf.task_queues = [Queue(name, routing_key=name) for name in (INTERACTIVE, BACKGROUND)]
app.conf.task_default_queue = BACKGROUND
app.autodiscover_tasks(related_name="jobs")


@after_setup_logger.connect
def _collect(logger: logging.Logger, **_about: object) -> None:
    """Celery puts its own handlers in the place of those of the settings: the collector stays."""
    if os.environ.get("ZHUTU_PROGRAM") and not any(isinstance(each, Collector) for each in logger.handlers):
        logger.addHandler(Collector(settings.PROGRAM))


@worker_before_create_process.connect
def _share(**_about: object) -> None:
    """Let the processes of a worker share what is loaded: the collector would write to all of it in each."""
    gc.freeze()
