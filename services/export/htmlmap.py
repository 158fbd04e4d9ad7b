"""A map to hand on: one HTML file that needs nothing but a browser, no network, no server, no file beside it.

folium assembles it; Leaflet comes from the front-end lock and is written into the file. folium renders its own output
as a template once more, so no text of ours may hold a brace: see ``_text``.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import folium
import shapely
from django.conf import settings
from django.contrib.gis.db.models import Extent, GeometryField
from django.contrib.gis.db.models.functions import AsWKB
from django.contrib.gis.geos import Polygon
from django.db.models import F, Func, QuerySet
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from gis.fields import STORAGE_SRID
from gis.geojson import features_text
from gis.models import Region
from services.access import gate
from services.access.errors import Conflict
from services.access.principal import Principal
from services.audit import trail
from services.catalog.describe import Described, describe
from services.catalog.layer import Layer
from services.export.columns import PUBLIC_DEGREES
from services.export.tables import within
from styles import DESK_LIGHT, Style
from styles.legend import swatch
from styles.symbols import Class

LIMIT = 5000
DETAIL = 4000
"""Shapes keep what shows at so many dots across the map."""
REGIONS = 400
WIDE, BROAD = 8.0, 3.0
"""Degrees across from which the base map shows provinces, and cities, instead of counties."""
LEAFLET = Path("node_modules/leaflet/dist")

_OUTSIDE_URL = re.compile(r"url\((?!data:)[^)]*\)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def html_map(principal: Principal, layer: Layer, rows: QuerySet[Any] | None = None, caption: str = "") -> str:
    """The features of a layer, of ``rows`` or all, as one self-contained HTML document; noted in the audit.

    ``caption`` says what the rows were narrowed to. More than 5,000 features are cut, and the map says so.
    """
    gate.require(principal, layer, "export")
    features = within(principal, layer, rows).filter(**{f"{layer.geom}__isnull": False})
    count = features.count()
    extent = features.aggregate(extent=Extent(layer.geom))["extent"] or _home()
    fields = _shown(principal, layer)
    drawn = folium.Map(tiles=None, prefer_canvas=True, control_scale=True, attribution_control=False)
    # Nothing is linked: what folium would fetch is written in, or not needed.
    drawn.default_js, drawn.default_css = [], []
    _base(extent).add_to(drawn)
    _overlay(layer, fields, features[:LIMIT], extent, rounded=principal.is_public).add_to(drawn)
    west, south, east, north = extent
    drawn.fit_bounds([[south, west], [north, east]], max_zoom=16)
    trail.note(
        principal.id, principal.name, "export", layer=layer.key, address=principal.address,
        changes={"format": "html", "rows": min(count, LIMIT)},
    )  # fmt: skip
    page = drawn.get_root().render()
    page = page.replace("<html>", f'<html lang="{get_language()}">', 1)
    page = page.replace("<head>", "<head>" + _head(layer), 1)
    return page.replace("<body>", "<body>" + _frame(layer, count, caption), 1)


def _shown(principal: Principal, layer: Layer) -> list[Described]:
    readable = {field.name for field in gate.fields(principal, layer)}
    paths = dict.fromkeys(("name", *layer.panel))
    return [describe(layer.model, path) for path in paths if path.split("__")[0] in readable]


def _overlay(
    layer: Layer, fields: list[Described], rows: QuerySet[Any], extent: tuple[float, ...], *, rounded: bool
) -> folium.GeoJson:
    classes = layer.style.classes()
    looks = [_look(entry) for entry in classes]
    features, chosen = [], []
    related = {f.path if f.related is not None else f.path.rpartition("__")[0] for f in fields} - {""}
    shape = _simple(layer.geom, extent, least=PUBLIC_DEGREES if rounded else 0)
    for number, row in enumerate(rows.select_related(*related).annotate(place=AsWKB(shape))):
        chosen.append(looks[_class(layer.style, classes, row)])
        place = shapely.from_wkb(bytes(row.place))
        features.append({
            "type": "Feature", "id": number, "geometry": json.loads(shapely.to_geojson(place)),
            "properties": {f"p{n}": _text(_value(row, field)) for n, field in enumerate(fields)},
        })  # fmt: skip
    return folium.GeoJson(
        {"type": "FeatureCollection", "features": features},
        style_function=lambda feature: chosen[feature["id"]],
        marker=folium.Marker(icon=folium.DivIcon()) if layer.geometry_type == "point" else None,
        popup=folium.GeoJsonPopup(
            [f"p{n}" for n in range(len(fields))], [_text(field.label) for field in fields], max_width=420
        )
        if features
        else None,
    )  # fmt: skip


def _base(extent: tuple[float, ...]) -> folium.GeoJson:
    """Region boundaries under the features, with their names."""
    west, south, east, north = extent
    across = max(east - west, north - south)
    level = Region.Level.PROVINCE if across > WIDE else Region.Level.CITY if across > BROAD else Region.Level.COUNTY
    box = Polygon.from_bbox((west - 0.2, south - 0.2, east + 0.2, north + 0.2))
    box.srid = STORAGE_SRID
    regions = Region.objects.current().filter(level=level, geom__intersects=box)
    shown = regions.annotate(simple=_simple("geom", extent))[:REGIONS]
    text = features_text(shown, geom="simple", properties={"name": F("name")}, digits=5)
    collection = json.loads(f'{{"type":"FeatureCollection","features":[{text}]}}')
    for feature in collection["features"]:
        feature["properties"]["name"] = _text(feature["properties"]["name"])
    theme = DESK_LIGHT
    return folium.GeoJson(
        collection,
        style_function=lambda _feature: {
            "color": theme.border_county, "weight": 1.2, "fillColor": theme.land, "fillOpacity": 1,
        },
        tooltip=folium.GeoJsonTooltip(["name"], labels=False) if collection["features"] else None,
    )  # fmt: skip


def _simple(path: str, extent: tuple[float, ...], least: float = 0) -> Func:
    """The geometry without detail that the map cannot show."""
    west, south, east, north = extent
    tolerance = max(east - west, north - south, 0.01) / DETAIL
    shape = Func(F(path), tolerance, function="ST_SimplifyPreserveTopology", output_field=GeometryField())
    grid = max(least, 0.000001)
    return Func(shape, grid, function="ST_ReducePrecision", output_field=GeometryField(srid=STORAGE_SRID))


def _home() -> tuple[float, ...]:
    """The extent of the city, for a map without features."""
    region = Region.objects.filter(pk=settings.PRODUCT_REGION, geom__isnull=False).first()
    return region.geom.extent if region and region.geom else (73.0, 18.0, 136.0, 54.0)


def _class(style: Style, classes: tuple[Class, ...], row: Any) -> int:
    """Which class of the style a feature is in; the last takes the rest."""
    value = getattr(row, style.key) if style.key else None
    for n, entry in enumerate(classes[:-1]):
        if entry.value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if text == entry.value:
                return n
        elif (
            value is not None
            and (entry.low is None or value >= entry.low)
            and (entry.high is None or value < entry.high)
        ):
            return n
    return len(classes) - 1


def _look(entry: Class) -> dict[str, Any]:
    """How Leaflet draws a class: a pictogram at points, else a path."""
    symbol: Any = entry.symbol
    if symbol.geometry == "point":
        return {"html": swatch(symbol, DESK_LIGHT), "iconSize": [24, 24], "className": "zhutu-icon"}
    if symbol.kind == "line":
        dash = " ".join(f"{part * symbol.width:g}" for part in symbol.dash or ())
        return {"color": symbol.color, "weight": symbol.width + 1, "dashArray": dash or None, "fill": False}
    return {
        "color": symbol.outline or symbol.color, "weight": 1.5, "fillColor": symbol.color,
        "fillOpacity": symbol.opacity, "dashArray": "4 3" if symbol.hatch else None,
    }  # fmt: skip


def _value(row: Any, field: Described) -> str:
    value = row
    for step in field.path.split("__"):
        value = getattr(value, step) if value is not None else None
    return field.display(value)


def _text(value: Any) -> str:
    """Text as HTML shows it. The brace goes too: folium's second rendering would take two of them for an expression."""
    return escape(value).replace("{", "&#123;").replace("}", "&#125;")


def _head(layer: Layer) -> str:
    script, style = _leaflet()
    return (
        '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">"
        f"<title>{escape(layer.title)}</title><style>{style}{_STYLE}</style><script>{script}</script>"
    )


def _frame(layer: Layer, count: int, caption: str) -> str:
    """Title, time of the data, what is left out, and the legend."""
    at = timezone.localtime().strftime("%Y-%m-%d %H:%M")
    lines = [caption, _("数据截至 %s") % at, _("共 %d 个") % count]
    if count > LIMIT:
        lines.append(_("只画出前 %d 个，请缩小范围后重新导出") % LIMIT)
    items = "".join(
        f"<li>{item.svg}<span>{escape(item.label)}</span></li>"
        for item in layer.style.legend(DESK_LIGHT, _labels(layer))
    )
    told = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    legend = f'<aside class="zhutu-legend"><h2>{escape(_("图例"))}</h2><ul>{items}</ul></aside>'
    return f'<header class="zhutu-title"><h1>{escape(layer.title)}</h1>{told}</header>{legend}'


def _labels(layer: Layer) -> Mapping[str, str]:
    """The words of the legend: choices of the field that decides, the layer's title where all look alike."""
    field = layer.field.get(layer.style.key or "")
    if field is None:
        return {"": layer.title}
    return {str(value): label for value, label in field.choices.items()} | {"true": _("是"), "false": _("否")}


@lru_cache(maxsize=1)
def _leaflet() -> tuple[str, str]:
    folder = settings.ROOT / LEAFLET
    try:
        script = (folder / "leaflet.js").read_text()
        style = (folder / "leaflet.css").read_text()
    except OSError as error:
        raise Conflict(_("缺少前端组件 Leaflet，请先执行 make run 完成安装。")) from error
    return script.partition("//# sourceMappingURL")[0], _OUTSIDE_URL.sub("none", _COMMENT.sub("", style))


_STYLE = """
body{font-family:system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:#1d273b}
.leaflet-container{background:#dfe8f1;font:inherit}
.zhutu-icon{background:none;border:0}.zhutu-icon svg{display:block}
.zhutu-title,.zhutu-legend{position:fixed;z-index:1000;right:12px;max-width:min(320px,70vw);padding:10px 14px;
background:#fff;border:1px solid #d9e0ea;border-radius:6px;box-shadow:0 1px 4px rgb(0 0 0/.15);font-size:13px}
.zhutu-title{top:12px}.zhutu-legend{bottom:24px;max-height:50vh;overflow:auto}
.zhutu-title h1{font-size:17px;margin:0 0 4px}.zhutu-title p{margin:2px 0;color:#49566c}
.zhutu-legend h2{font-size:13px;margin:0 0 6px}.zhutu-legend ul{list-style:none;margin:0;padding:0}
.zhutu-legend li{display:flex;align-items:center;gap:8px;margin:2px 0}
.leaflet-popup-content table{border-collapse:collapse}
.leaflet-popup-content th{text-align:left;font-weight:600;padding:2px 10px 2px 0;white-space:nowrap;color:#49566c}
.leaflet-popup-content td{padding:2px 0;overflow-wrap:anywhere}
"""
