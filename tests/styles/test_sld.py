"""SLD 1.1: well formed, elements in the order of the schemas, filters that divide like the map."""

import pytest
from lxml import etree

from styles import Categorized, Icon
from styles.sld import OGC, SE, SLD
from tests.styles.conftest import STYLES

NS = {"sld": SLD, "se": SE, "ogc": OGC}

ORDER = {
    f"{{{SLD}}}StyledLayerDescriptor": ["NamedLayer"],
    f"{{{SLD}}}NamedLayer": ["Name", "Description", "UserStyle"],
    f"{{{SLD}}}UserStyle": ["Name", "Description", "IsDefault", "FeatureTypeStyle"],
    f"{{{SE}}}FeatureTypeStyle": ["Name", "Description", "FeatureTypeName", "Rule"],
    f"{{{SE}}}Rule": [
        "Name", "Description", "LegendGraphic", "Filter", "ElseFilter", "MinScaleDenominator", "MaxScaleDenominator",
        "Symbolizer",
    ],
    f"{{{SE}}}Graphic": ["ExternalGraphic", "Mark", "Opacity", "Size", "Rotation", "AnchorPoint", "Displacement"],
    f"{{{SE}}}Mark": ["WellKnownName", "Fill", "Stroke"],
    f"{{{SE}}}PolygonSymbolizer": ["Geometry", "Fill", "Stroke"],
    f"{{{SE}}}LineSymbolizer": ["Geometry", "Stroke"],
    f"{{{SE}}}TextSymbolizer": ["Geometry", "Label", "Font", "LabelPlacement", "Halo", "Fill"],
    f"{{{SE}}}Halo": ["Radius", "Fill"],
}  # fmt: skip


def parse(text: str) -> etree._Element:
    return etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, no_network=True))


def test_elements_stand_in_schema_order(style) -> None:
    root = parse(style.sld("layer", "标题"))
    assert root.get("version") == "1.1.0"
    for element in root.iter():
        order = ORDER.get(element.tag)
        if order:
            names = [etree.QName(child).localname for child in element]
            # Symbolizers of all kinds are one substitution group: drawn in the order in which they stand.
            places = [order.index("Symbolizer" if name.endswith("Symbolizer") else name) for name in names]
            assert places == sorted(places), element.tag
    assert len(root.findall(".//se:Rule", NS)) == len(style.classes())


def test_graduated_filters_share_their_bounds() -> None:
    root = parse(STYLES["pm10"].sld("m", "扬尘"))
    middle = root.findall(".//se:Rule", NS)[1].find("ogc:Filter/ogc:And", NS)
    assert [(etree.QName(t).localname, t[0].text, t[1].text) for t in middle] == [
        ("PropertyIsGreaterThanOrEqualTo", "pm10", "50"),
        ("PropertyIsLessThan", "pm10", "150"),
    ]
    assert root.findall(".//se:Rule", NS)[-1].find("se:ElseFilter", NS) is not None


def test_rule_titles_come_from_the_caller() -> None:
    root = parse(STYLES["sites"].sld("s", "工地", {"active": "在建"}))
    assert root.find(".//se:Rule/se:Description/se:Title", NS).text == "在建"


@pytest.mark.parametrize("text", ["<!DOCTYPE x>&lt;", "a\x00b\x0bc", "]]>", "a\ud800"])
def test_any_text_stays_text(text: str) -> None:
    document = Categorized("s", {text: Icon("dot")}).sld(text, text)
    root = parse(document)
    assert root.getroottree().docinfo.doctype == ""
    assert (
        root.find("sld:NamedLayer/se:Name", NS).text == "".join(c for c in text if c >= " " and c != "\ud800") or None
    )


def test_each_category_has_a_rule() -> None:
    root = parse(STYLES["sites"].sld("sites", "工地"))
    literals = root.xpath("//ogc:PropertyIsEqualTo/ogc:Literal/text()", namespaces=NS)
    assert literals == ["active", "rectify", "suspended", "completed", "planned"]
