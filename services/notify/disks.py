"""Disks that fill up: administrators hear of it while everything still works, at 80 and at 90 per cent (F06)."""

import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from services.accounts.models import User
from services.accounts.roles import Role
from services.notify.models import Level
from services.notify.outbox import notify

EVERY = 60.0
"""Seconds from one look to the next."""
STEPS = ((90, Level.RED), (80, Level.ORANGE))
"""Per cent in use, and how urgent that is; the first that is reached counts."""
TEMPLATE = "disk-filling"


def used(folder: Path) -> float:
    """Per cent of the folder's disk in use, as its owner sees it: what is kept for root is in use."""
    found = shutil.disk_usage(folder)
    return 100 * (1 - found.free / found.total)


def watch(folders: Iterable[Path] | None = None, now: datetime | None = None) -> int:
    """Tell administrators of each disk that is over a step, once a day for each step; how many were told anew."""
    moment = timezone.localtime(now)
    told = 0
    for folder in folders if folders is not None else settings.DISKS:
        if not folder.exists():
            continue
        share = used(folder)
        step = next(((most, level) for most, level in STEPS if share >= most), None)
        if step is None:
            continue
        most, level = step
        administrators = User.objects.filter(is_active=True, memberships__role=Role.ADMIN).distinct()
        variables = {"name": str(folder), "value": f"{share:.0f}", "limit": most, "unit": "%", "time": moment}
        key = f"disk:{str(folder)[-150:]}:{most}:{moment:%Y-%m-%d}"
        told += len(notify(administrators, TEMPLATE, variables, level, dedupe_key=key))
    return told
