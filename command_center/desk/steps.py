"""What was done step by step about an order or a record, each step with the files that came with it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.files.models import Attachment


@dataclass(frozen=True)
class Line:
    """A step, which names its files in ``files``, with those that are still there."""

    step: Any
    files: list[Attachment]


def lines(steps: Iterable[Any], feature: UUID) -> list[Line]:
    """The steps with their files, which are a feature's, by one query."""
    found = list(steps)
    wanted = {key for step in found for key in step.files}
    kept = {str(row.pk): row for row in Attachment.objects.filter(pk__in=wanted, feature=feature)}
    return [Line(step, [kept[key] for key in step.files if key in kept]) for step in found]
