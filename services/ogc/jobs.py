"""The work of the OGC processes when they run as jobs."""

from typing import Any

from services.ogc.engine import PROCESS
from services.ogc.processes import buffer_count
from services.operations.jobs import Run, job


@job(PROCESS)
def count(run: Run) -> dict[str, Any]:
    """Count what lies within a distance, with the rights of whoever asked."""
    return buffer_count(run.principal, run.inputs)
