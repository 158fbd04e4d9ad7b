"""The building stones of MapLibre layers: layer heads, values chosen by class, filters and fonts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from styles.symbols import Class, Icon, Style

Layer = dict[str, Any]

REGULAR = ["Noto Sans Regular"]
BOLD = ["Noto Sans Bold"]
HATCH = "hatch"
LABEL_ZOOM = 13
NUMBER_ZOOM = 10

HOVER = ["boolean", ["feature-state", "hover"], False]
CLUSTER = ["has", "point_count"]
SINGLE = ["!", CLUSTER]


def selected_filter(feature_id: str) -> list[Any]:
    """The filter that a ``selected`` layer carries to show one feature."""
    return ["==", ["get", "id"], feature_id]


def choose(style: "Style", value_of: Callable[["Class"], Any]) -> Any:
    """One value a class as an expression, or the value itself where all classes share it."""
    values = [["literal", v] if isinstance(v, tuple | list) else v for v in map(value_of, style.classes())]
    return values[0] if all(v == values[0] for v in values) else style.choose(values)


def layer(name: str, kind: str, role: str, **parts: Any) -> Layer:
    """A layer with its role; source and place in the style come later."""
    return {"id": name, "type": kind, "metadata": {"zhutu:role": role}, **parts}


def by_zoom(*stops: tuple[float, Any]) -> list[Any]:
    """A value that changes evenly between the zooms given."""
    return ["interpolate", ["linear"], ["zoom"], *(part for stop in stops for part in stop)]


def number_inside(style: "Style") -> bool:
    """Whether the value is written on the badge itself: a graduated plain dot."""
    symbol = style.classes()[0].symbol
    return style.number is not None and symbol.kind == "icon" and cast("Icon", symbol).name == "dot"


def number(style: "Style") -> list[Any]:
    """The value of a graduated style as text, empty where it is missing."""
    value = ["get", style.number]
    written = ["number-format", ["to-number", value], {"max-fraction-digits": style.decimals}]
    return ["case", ["==", ["to-string", value], ""], "", written]
