"""SLD 1.1 documents with SE 1.1 rules from a style."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from styles.pictograms import natural_badge
from styles.text import Text

if TYPE_CHECKING:
    from styles.symbols import Class, Fill, Heat, Icon, Line, Style

SLD = "http://www.opengis.net/sld"
SE = "http://www.opengis.net/se"
OGC = "http://www.opengis.net/ogc"
for _prefix, _uri in (("sld", SLD), ("se", SE), ("ogc", OGC)):
    ET.register_namespace(_prefix, _uri)

MARKS = {"house": "triangle"}
"""Well-known marks for the badges that no client knows; the others carry the name of their shape."""


def document(style: "Style", layer_name: str, title: Text, labels: Mapping[str, Text]) -> str:
    """The StyledLayerDescriptor of one layer, with an XML declaration and no DTD."""
    root = ET.Element(f"{{{SLD}}}StyledLayerDescriptor", version="1.1.0")
    layer = ET.SubElement(root, f"{{{SLD}}}NamedLayer")
    _add(layer, "Name", layer_name)
    user_style = ET.SubElement(layer, f"{{{SLD}}}UserStyle")
    _add(user_style, "Name", layer_name)
    _describe(user_style, str(title))
    feature_type = _add(user_style, "FeatureTypeStyle")
    classes = style.classes()
    for place, found in enumerate(classes):
        rule = _add(feature_type, "Rule")
        _add(rule, "Name", found.key or ("all" if len(classes) == 1 else "rest"))
        _describe(rule, str(labels.get(found.key, found.title)) or str(title))
        if len(classes) > 1:
            _filter(rule, style, found, last=place == len(classes) - 1)
        _DRAW[found.symbol.kind](rule, found.symbol)
        _write(rule, style)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add(parent: ET.Element, name: str, text: Any = None, /, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{SE}}}{name}", attributes)
    if text is not None:
        element.text = _legal(f"{text:.10g}" if isinstance(text, float) else str(text))
    return element


def _legal(text: str) -> str:
    """The text without the characters that XML 1.0 forbids."""
    return "".join(c for c in text if c in "\t\n\r" or "\x20" <= c <= "\ud7ff" or "\ue000" <= c not in "\ufffe\uffff")


def _describe(parent: ET.Element, title: str) -> None:
    _add(_add(parent, "Description"), "Title", title)


def _filter(rule: ET.Element, style: "Style", found: "Class", *, last: bool) -> None:
    """The condition of a class; the rest is an ElseFilter."""
    if last:
        _add(rule, "ElseFilter")
        return
    where = ET.SubElement(rule, f"{{{OGC}}}Filter")
    if found.value is not None:
        _compare(where, "PropertyIsEqualTo", style.key, found.value)
    elif found.low is None:
        _compare(where, "PropertyIsLessThan", style.key, found.high)
    elif found.high is None:
        _compare(where, "PropertyIsGreaterThanOrEqualTo", style.key, found.low)
    else:
        both = ET.SubElement(where, f"{{{OGC}}}And")
        _compare(both, "PropertyIsGreaterThanOrEqualTo", style.key, found.low)
        _compare(both, "PropertyIsLessThan", style.key, found.high)


def _compare(parent: ET.Element, operator: str, name: str | None, value: float | str | None) -> None:
    test = ET.SubElement(parent, f"{{{OGC}}}{operator}")
    ET.SubElement(test, f"{{{OGC}}}PropertyName").text = name
    text = value if isinstance(value, str) else f"{value:.10g}"
    ET.SubElement(test, f"{{{OGC}}}Literal").text = _legal(text)


def _parameters(parent: ET.Element, **values: Any) -> None:
    for name, value in values.items():
        _add(parent, "SvgParameter", value, name=name.replace("_", "-"))


def _fill_of(parent: ET.Element, color: str, opacity: float = 1) -> None:
    _parameters(_add(parent, "Fill"), fill=color, fill_opacity=float(opacity))


def _stroke(parent: ET.Element, color: str, width: float, dash: tuple[float, ...] | None = None) -> None:
    stroke = _add(parent, "Stroke")
    _parameters(stroke, stroke=color, stroke_width=float(width), stroke_linejoin="round")
    if dash:
        _parameters(stroke, stroke_dasharray=" ".join(f"{part * width:g}" for part in dash))


def _mark(rule: ET.Element, shape: str, color: str, size: float, opacity: float = 1) -> None:
    """A point symbolizer: SLD has no pictograms of ours, so the badge's shape and colour speak."""
    graphic = _add(_add(rule, "PointSymbolizer"), "Graphic")
    mark = _add(graphic, "Mark")
    _add(mark, "WellKnownName", MARKS.get(shape, shape))
    _fill_of(mark, color, opacity)
    _stroke(mark, "#ffffff", 1)
    _add(graphic, "Size", size)


def _icon(rule: ET.Element, symbol: "Icon") -> None:
    _mark(rule, symbol.badge or natural_badge(symbol.name), symbol.color, 14)


def _line(rule: ET.Element, symbol: "Line") -> None:
    _stroke(_add(rule, "LineSymbolizer"), symbol.color, symbol.width, symbol.dash)


def _fill(rule: ET.Element, symbol: "Fill") -> None:
    polygon = _add(rule, "PolygonSymbolizer")
    _fill_of(polygon, symbol.color, 0.12 if symbol.hatch else symbol.opacity)
    _stroke(polygon, symbol.outline or symbol.color, 1.6, (2, 1) if symbol.hatch else None)
    if symbol.mark:
        _icon(rule, symbol.mark)


def _heat(rule: ET.Element, symbol: "Heat") -> None:
    _mark(rule, "circle", symbol.color, 8, 0.4)


def _write(rule: ET.Element, style: "Style") -> None:
    """The label, or the number of a graduated style."""
    name = style.label or style.number
    if not name:
        return
    text = _add(rule, "TextSymbolizer")
    label = _add(text, "Label")
    ET.SubElement(label, f"{{{OGC}}}PropertyName").text = name
    _parameters(_add(text, "Font"), font_family="Noto Sans", font_size=11)
    placement = _add(text, "LabelPlacement")
    if style.geometry == "line":
        _add(placement, "LinePlacement")
    else:
        point = _add(placement, "PointPlacement")
        anchor = _add(point, "AnchorPoint")
        _add(anchor, "AnchorPointX", 0.5)
        _add(anchor, "AnchorPointY", 1.0 if style.geometry == "point" else 0.5)
        if style.geometry == "point":
            shift = _add(point, "Displacement")
            _add(shift, "DisplacementX", 0)
            _add(shift, "DisplacementY", -10)
    halo = _add(text, "Halo")
    _add(halo, "Radius", 1.5)
    _fill_of(halo, "#ffffff")
    _fill_of(text, "#1a2234")


_DRAW: dict[str, Callable[[ET.Element, Any], None]] = {"icon": _icon, "line": _line, "fill": _fill, "heat": _heat}
