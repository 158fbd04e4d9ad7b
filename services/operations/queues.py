"""The queues of background work; each has workers of its own, so that no slow task of one holds up the other."""

INTERACTIVE = "interactive"
"""What somebody waits for: imports and the OGC processes, as jobs."""
BACKGROUND = "background"
"""Everything else: editions of reports, pulls from other systems, messages."""
