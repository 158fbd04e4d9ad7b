"""Imports of files as jobs, and pulling from other systems. What reads is imported when it does: gateways do not."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery import shared_task
from django.db import connections
from django.utils.translation import gettext as _

from ingest.models import Import
from services.access.errors import Invalid
from services.feeds.jobs import PULL
from services.operations.jobs import Run, job


@job("import-file")
def import_file(run: Run) -> dict[str, Any]:
    """Run a configured import; its problems stand in the import's report."""
    from ingest.files import imports

    item = imports.mine(run.principal, run.inputs["import"])
    # The import is one transaction: progress is told on a connection of its own, or nobody would see it.
    with ThreadPoolExecutor(1) as aside:
        try:
            item = imports.run(
                run.principal, item, progress=lambda percent, text: aside.submit(run.progress, percent, text).result()
            )
        finally:
            aside.submit(connections.close_all).result()
    if item.state != Import.State.DONE:
        raise Invalid(_("%d 行有问题，没有导入任何内容。请查看问题清单。") % item.counts["refused"])
    return {"import": str(item.pk), **item.counts}


@job("undo-import")
def undo_import(run: Run) -> dict[str, Any]:
    """Undo an import."""
    from ingest.files import imports
    from ingest.files.undo import undo

    return {"deleted": undo(run.principal, imports.mine(run.principal, run.inputs["import"]))}


@shared_task(name=PULL)
def pull() -> None:
    """Pull the sources whose time has come; a wake-up that comes twice or too late finds nothing to do."""
    from ingest.feeds import pulling

    pulling.pull_due()
