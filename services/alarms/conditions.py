"""Conditions in CEL: which names they may use, checked when saved, compiled once and asked for each reading."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

VARIABLES = {
    "value": gettext_lazy("数值，或平均窗口内的平均值"),
    "latest": gettext_lazy("最新一个数值"),
    "limit": gettext_lazy("监测当时执行的限值"),
    "low": gettext_lazy("监测当时执行的下限"),
    "allowed": gettext_lazy("监测当时执行的每日允许超标次数"),
    "n_exceeded": gettext_lazy("至此连续超过限值的次数"),
    "minutes": gettext_lazy("至此连续超过限值的分钟数"),
    "n_today": gettext_lazy("当日至此超过限值的次数"),
    "night": gettext_lazy("是否夜间（22时至次日6时）"),
    "hour": gettext_lazy("小时（0至23）"),
    "weekday": gettext_lazy("星期（1至7）"),
    "month": gettext_lazy("月份（1至12）"),
    "quality": gettext_lazy("数据质量：good、range、unit、order、flat、spike等"),
    "n_bad": gettext_lazy("至此连续无效的次数"),
}
"""Every variable there is, with its meaning."""

COUNTED = {"n_exceeded", "minutes", "n_today", "n_bad"}
"""Those that need a memory of earlier readings."""
FUNCTIONS = {
    "_>_", "_<_", "_>=_", "_<=_", "_==_", "_!=_", "_&&_", "_||_", "!_", "_+_", "_-_", "_*_", "_/_", "-_", "_?_:_",
    "@in", "double", "int",
}  # fmt: skip
"""No loops, no texts: a condition takes microseconds."""
_SAMPLE: dict[str, Any] = {
    "value": 80.5, "latest": 81.5, "limit": 70.0, "low": 6.0, "allowed": 2, "n_exceeded": 3, "minutes": 12.5,
    "n_today": 4, "night": True, "hour": 23, "weekday": 5, "month": 11, "quality": "good", "n_bad": 0,
}  # fmt: skip
SAMPLES = (
    _SAMPLE,
    {**_SAMPLE, "value": 1.5, "latest": 1.5, "n_exceeded": 0, "minutes": 0.0, "night": False, "hour": 9},
    {**_SAMPLE, "quality": "range", "n_bad": 6, "weekday": 7, "n_today": 0, "month": 1},
)


@lru_cache(maxsize=2000)
def compiled(text: str) -> Any:
    """The program of a condition; raises ValueError where it is none."""
    # Its package brings a command line along, which would cost every process a sixth of a second at its start.
    import cel

    return cel.compile(text)


def names(text: str) -> set[str]:
    """The variables that a condition uses."""
    return set(compiled(text).variables())


def check(text: str, variables: Mapping[str, Any] = VARIABLES, samples: Iterable[Mapping[str, Any]] = SAMPLES) -> str:
    """What is wrong with a condition as a whole sentence, or an empty text; other judges bring their own variables."""
    try:
        program = compiled(text)
    except ValueError as error:
        return _("条件的写法有误：%s") % str(error).partition("\n")[0][:150]
    if unknown := sorted(set(program.variables()) - set(variables)):
        return _("没有变量%(unknown)s；可用的变量：%(known)s") % {
            "unknown": ", ".join(unknown),
            "known": ", ".join(variables),
        }
    if forbidden := sorted(set(program.functions()) - FUNCTIONS):
        return _("条件中不能使用%s。") % ", ".join(forbidden)
    for sample in samples:
        try:
            answer = program.execute(dict(sample))
        except (RuntimeError, TypeError, ValueError):
            return _("条件不能计算：与小数相加减乘除的数要写成小数，例如 limit * 1.5。")
        if not isinstance(answer, bool):
            return _("条件的结果应为真或假。")
    return ""


def holds(text: str, values: Mapping[str, Any]) -> bool:
    """Whether a condition holds; raises ValueError where it cannot be said."""
    try:
        answer = compiled(text).execute(values)
    except (RuntimeError, TypeError) as error:
        raise ValueError(str(error).partition("\n")[0][:200]) from error
    if not isinstance(answer, bool):
        raise ValueError("a condition must be true or false")
    return answer
