"""How the pages of data interfaces say rhythms, lengths and counts."""

from collections.abc import Mapping
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from services.feeds.models import Run, Source

register = template.Library()


@register.filter
def rhythm(source: Source) -> str:
    """How often a source is pulled, in the largest unit that makes it whole."""
    seconds = source.every
    if seconds % 86_400 == 0:
        n = seconds // 86_400
        return ngettext("每 %(n)d 天", "每 %(n)d 天", n) % {"n": n}
    if seconds % 3_600 == 0:
        n = seconds // 3_600
        return ngettext("每 %(n)d 小时", "每 %(n)d 小时", n) % {"n": n}
    if seconds % 60 == 0:
        n = seconds // 60
        return ngettext("每 %(n)d 分钟", "每 %(n)d 分钟", n) % {"n": n}
    return ngettext("每 %(n)d 秒", "每 %(n)d 秒", seconds) % {"n": seconds}


@register.filter
def lasted(run: Run) -> str:
    """How long a run took."""
    if run.finished_at is None:
        return _("进行中")
    seconds = (run.finished_at - run.started_at).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


@register.filter
def added(counts: Mapping[str, int]) -> int:
    """What was not there before."""
    return counts.get("new", 0) + counts.get("created", 0)


@register.filter
def altered(counts: Mapping[str, int]) -> int:
    """What was there and is another now."""
    return counts.get("replaced", 0) + counts.get("changed", 0)


@register.filter
def repeated(counts: Mapping[str, int]) -> int:
    """What was there already, the same."""
    return counts.get("same", 0) + counts.get("unchanged", 0) + counts.get("repeated", 0)


@register.filter
def clock(text: str) -> str:
    """A stored time in the time zone of the product."""
    return f"{timezone.localtime(datetime.fromisoformat(text)):%Y-%m-%d %H:%M:%S}"
