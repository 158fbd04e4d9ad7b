"""Colours of charts: ramps whose lightness runs one way, so that the colour-blind read them, and palettes of groups."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from styles.ramps import Ramp

RAMPS: Mapping[str, tuple[Promise, Ramp]] = MappingProxyType(
    {
        "blue": (_("蓝"), Ramp(((0, "#e3eefb"), (0.35, "#93bfea"), (0.7, "#3a7fcb"), (1, "#0f3a78")))),
        "teal": (_("青"), Ramp(((0, "#e4f4e8"), (0.35, "#8accb4"), (0.7, "#2a8b93"), (1, "#0b3b58")))),
        "amber": (_("橙红"), Ramp(((0, "#fff1cc"), (0.35, "#fdbf57"), (0.7, "#de6a24"), (1, "#75200f")))),
        "violet": (_("紫"), Ramp(((0, "#efeaf8"), (0.35, "#b7a3da"), (0.7, "#7a54b2"), (1, "#371760")))),
        "grey": (_("灰"), Ramp(((0, "#eceef1"), (0.35, "#b4bac4"), (0.7, "#6d7684"), (1, "#262d38")))),
    }
)
"""Name → what it is called, and its colours from the lowest to the highest class."""

PALETTES: Mapping[str, tuple[Promise, tuple[str, ...]]] = MappingProxyType(
    {
        "safe": (
            _("色觉友好"),
            ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bb1", "#7f7f7f"),
        ),
        "desk": (
            _("平台"),
            ("#2f6fd6", "#c77412", "#238a60", "#b2479a", "#7a6ff0", "#c0392b", "#2b8cae", "#8d7a3a"),
        ),
        "calm": (
            _("素雅"),
            ("#4e79a7", "#d79a59", "#76a078", "#a87b9d", "#7fb0bd", "#bf6b63", "#b5a55c", "#8a8f98"),
        ),
    }
)
OWN = "own"
"""The palette of one's own colours."""


def classed(name: str, number: int, backward: bool = False) -> list[str]:
    """The colours of so many classes of a ramp, lowest first."""
    _label, ramp = RAMPS.get(name) or RAMPS["blue"]
    at = [0.75] if number == 1 else [n / (number - 1) for n in range(number)]
    return [ramp.color(1 - each if backward else each) for each in at]


def palette(name: str, own: list[str]) -> list[str]:
    """The colours of groups, repeated by who draws them where there are more groups."""
    if name == OWN and own:
        return own
    return list((PALETTES.get(name) or PALETTES["safe"])[1])
