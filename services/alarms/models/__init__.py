"""Rules, and the episodes that they begin."""

from services.alarms.models.episodes import Act, Episode, Report, Told, Watch
from services.alarms.models.rules import (
    NOT_HEARD,
    SUBJECTS,
    URGENCY,
    Deadline,
    Detector,
    Level,
    Rule,
    Tier,
    module_title,
)

__all__ = [
    "NOT_HEARD",
    "SUBJECTS",
    "URGENCY",
    "Act",
    "Deadline",
    "Detector",
    "Episode",
    "Level",
    "Report",
    "Rule",
    "Tier",
    "Told",
    "Watch",
    "module_title",
]
