"""Indicators that domains declare as ``INDICATORS`` in their ``reports``: first rows, which the office edits."""

from dataclasses import dataclass
from datetime import date

from services.indicators.evaluate import keep_kind
from services.indicators.models import Indicator, Threshold
from services.indicators.numbers import in_reports

SINCE = date(2020, 1, 1)


@dataclass(frozen=True)
class Declared:
    """An indicator as a domain declares it; ``name`` is a Chinese text with a translation."""

    key: str
    name: str
    layer: str
    formula: str
    yellow: float
    red: float
    advice_yellow: str
    advice_red: str
    advice_yellow_en: str
    advice_red_en: str
    citation: str
    unit: str = ""
    kind: str = Indicator.Kind.MANAGEMENT.value
    downward: bool = False


def write() -> None:
    """Add the indicators that are not there; what somebody edited or took the thresholds of stays as it is."""
    there = set(Indicator.objects.exclude(key=None).values_list("key", flat=True))
    for one in in_reports("INDICATORS"):
        if one.key in there:
            continue
        made = Indicator.objects.create(
            key=one.key, name=one.name, layer=one.layer, kind=one.kind, formula=one.formula, unit=one.unit,
            downward=one.downward, advice_yellow=one.advice_yellow, advice_red=one.advice_red,
            advice_yellow_en=one.advice_yellow_en, advice_red_en=one.advice_red_en,
        )  # fmt: skip
        Threshold.objects.create(
            indicator=made, yellow=one.yellow, red=one.red, valid_from=SINCE, citation=one.citation
        )  # fmt: skip
        keep_kind(made)
