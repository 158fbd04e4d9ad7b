"""Formulas in CEL over numbers: checked when saved, and worked out for one feature after the other."""

from collections.abc import Collection, Mapping

from django.utils.translation import gettext as _

from services.alarms.conditions import FUNCTIONS, compiled


def names(text: str) -> set[str]:
    """The numbers that a formula uses; ValueError where it is none."""
    return set(compiled(text).variables())


def check(text: str, known: Collection[str]) -> str:
    """What is wrong with a formula as a whole sentence, or an empty text."""
    try:
        used, functions = names(text), set(compiled(text).functions())
    except ValueError as error:
        return _("公式的写法有误：%s") % str(error).partition("\n")[0][:150]
    if unknown := sorted(used - set(known)):
        return _("没有数值%(unknown)s；可用的数值：%(known)s") % {
            "unknown": ", ".join(unknown), "known": ", ".join(sorted(known)),
        }  # fmt: skip
    if forbidden := sorted(functions - FUNCTIONS):
        return _("公式中不能使用%s。") % ", ".join(forbidden)
    try:
        value(text, dict.fromkeys(used, 2.0))
    except ValueError as error:
        return _("公式不能计算：%s。数要写成小数，例如 100.0。") % error
    return ""


def value(text: str, numbers: Mapping[str, float | None]) -> float | None:
    """What a formula gives, None where a number is not known; ValueError where it cannot be said or is no number."""
    if any(number is None for number in numbers.values()):
        return None
    try:
        answer = compiled(text).execute(dict(numbers))
    except (RuntimeError, TypeError) as error:
        raise ValueError(str(error).partition("\n")[0][:150]) from error
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        raise ValueError(_("结果不是数值"))
    found = float(answer)
    if found != found or found in (float("inf"), float("-inf")):
        raise ValueError(_("结果不是有限的数值"))
    return found
