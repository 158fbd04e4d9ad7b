"""The words of a message: texts with ``{name}`` places from a fixed list. Nothing in a text can be executed."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

VARIABLES = {
    "title": gettext_lazy("标题"),
    "text": gettext_lazy("说明"),
    "name": gettext_lazy("对象"),
    "code": gettext_lazy("编号"),
    "project": gettext_lazy("工程"),
    "place": gettext_lazy("位置"),
    "region": gettext_lazy("辖区"),
    "factor": gettext_lazy("监测指标"),
    "value": gettext_lazy("数值"),
    "unit": gettext_lazy("单位"),
    "limit": gettext_lazy("限值"),
    "state": gettext_lazy("状态"),
    "person": gettext_lazy("经办人"),
    "time": gettext_lazy("时间"),
    "began": gettext_lazy("开始时间"),
    "reason": gettext_lazy("原因"),
    "due": gettext_lazy("期限"),
    "count": gettext_lazy("数目"),
    "level": gettext_lazy("级别"),
    "link": gettext_lazy("跳转链接"),
}
"""Every variable there is, with its name for people; ``level`` and ``link`` are filled in by the outbox."""

PLACE = re.compile(r"\{([^{}]*)\}")
LAST_SENTENCE = re.compile(r"(?<=[。！.!])\s*\{text\}\s*$")
BODY_LIMIT, SUBJECT_LIMIT, VALUE_LIMIT = 4000, 200, 1000
"""Characters."""


def check_text(text: str) -> None:
    """Raise ValidationError where a text names an unknown variable or holds a brace of its own."""
    unknown = sorted({name for name in PLACE.findall(text) if name not in VARIABLES})
    if unknown:
        raise ValidationError(
            _("没有变量 %(unknown)s；可用的变量：%(known)s")
            % {"unknown": ", ".join(f"{{{name}}}" for name in unknown), "known": ", ".join(VARIABLES)},
            code="unknown_variable",
        )
    if re.search(r"[{}]", PLACE.sub("", text)):
        raise ValidationError(_("花括号只能成对用于变量，例如 {name}。"), code="brace")


def check_variables(variables: Mapping[str, Any]) -> None:
    """Raise ValueError where a caller hands over a variable that no text could use."""
    unknown = sorted(set(variables) - set(VARIABLES))
    if unknown:
        raise ValueError(f"no message variable {', '.join(unknown)}; the variables are: {', '.join(VARIABLES)}")


def worded(subject: str, body: str, variables: Mapping[str, Any]) -> tuple[str, str]:
    """Subject (one line, at most 200 characters) and body (at most 4,000) with the variables filled in.

    A value is put in once and never read for places again; a variable without a value shows as a dash, and a last
    sentence that is nothing but ``{text}`` is left out where there is none.
    """
    values = {name: shown(value) for name, value in variables.items()}
    if not values.get("text"):
        body = LAST_SENTENCE.sub("", body)

    def fill(match: re.Match[str]) -> str:
        return values.get(match[1]) or "—"

    return one_line(PLACE.sub(fill, subject))[:SUBJECT_LIMIT], PLACE.sub(fill, body)[:BODY_LIMIT]


def plain(key: str, variables: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and body of a message that nobody has worded yet: its title and a line for each variable."""
    values = {name: shown(value) for name, value in variables.items() if shown(value)}
    title = one_line(values.pop("title", "") or values.get("name", "") or key)
    unit = values.pop("unit", "")
    for name in ("value", "limit"):
        if name in values:
            values[name] = f"{values[name]} {unit}".strip()
    lines = [_("%(name)s：%(value)s") % {"name": VARIABLES[name], "value": value} for name, value in values.items()]
    return title[:SUBJECT_LIMIT], "\n".join(lines)[:BODY_LIMIT]


def shown(value: Any) -> str:
    """A value as people read it: times in the time zone of the product, to the minute; zero is not missing."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        value = timezone.localtime(value).strftime("%Y-%m-%d %H:%M")
    # PostgreSQL stores no NUL, and other control characters have no business in a message.
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", str(value))[:VALUE_LIMIT]


def one_line(text: str) -> str:
    """A text without line breaks of any kind."""
    return " ".join(text.split())
