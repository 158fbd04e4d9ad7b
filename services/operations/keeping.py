"""Keeping what the platform sees of itself: partitions of logs, the policy, old rows."""

from datetime import date, datetime, timedelta

from django.utils import timezone

from services.operations import blocking
from services.operations.logs import TABLES
from services.operations.models import LogCount, Policy, Rise
from services.telemetry import partitions

COUNTS_KEPT = 13
"""Months of counts at least: they take a thousandth of the room, and show what was usual a year ago."""
SINCE, CITATION = date(2026, 1, 1), "网络安全法：网络日志留存不少于六个月"


def prepare(using: str = "default") -> None:
    """Make the partitions of the coming months, and write the policy where there is none."""
    partitions.ahead(using, tables=TABLES)
    policies = Policy.objects.using(using)
    if not policies.exists():
        policies.create(valid_from=SINCE, citation=CITATION)


def housekeeping(now: datetime | None = None) -> None:
    """Make partitions ahead, and take away what is older than the policy in force keeps."""
    moment = now or timezone.now()
    partitions.ahead(tables=TABLES, now=moment)
    keep = Policy.at(partitions.month_of(moment)).log_months
    link = partitions.raw()
    for month in partitions.due(link, keep, moment, TABLES[0]):
        partitions.drop(link, month, TABLES[0])
    LogCount.objects.filter(at__lt=moment - timedelta(days=31 * max(keep, COUNTS_KEPT))).delete()
    Rise.objects.filter(ended_at__lt=moment - blocking.KEPT).delete()
    blocking.forget(moment)
