"""The work of the OGC processes when they run as jobs."""

from typing import Any

from services.operations.jobs import Run, job

PROCESS = "buffer-count"
SURFACE = "surface"
PERIODS = "period-statistics"
PROCESSES = (PROCESS, SURFACE, PERIODS)


@job(PROCESS)
def count(run: Run) -> dict[str, Any]:
    """Count what lies within a distance, with the rights of whoever asked."""
    # pygeoapi takes its time to import: not at every start.
    from services.ogc.processes import buffer_count

    return buffer_count(run.principal, run.inputs)


@job(SURFACE)
def surface(run: Run) -> dict[str, Any]:
    """Compute a surface, with the rights of whoever asked."""
    from services.ogc.surface_process import execute

    return execute(run.principal, run.inputs)


@job(PERIODS)
def statistics(run: Run) -> dict[str, Any]:
    """Count everything of a period, with the rights of whoever asked."""
    from services.ogc.statistics_process import execute

    return execute(run.principal, run.inputs)
