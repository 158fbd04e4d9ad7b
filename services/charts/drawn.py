"""A figure as the screens draw it, keep it and write it down: plain values, colours, places, boundaries, a table."""

from typing import Any

import orjson
from django.contrib.gis.db.models import GeometryField
from django.db import connection
from django.db.models import F, FloatField, Func
from django.utils.translation import gettext as _

from gis.models import Region
from services.access import gate
from services.access.principal import Principal
from services.charts import colours, sources
from services.charts.dimensions import FEATURE, LEVELS, PLACE
from services.charts.figures import Figure
from services.charts.models import Product
from services.charts.names import OTHERS
from services.export.columns import in_unit

MOST_SHAPES = 400
SMOOTH = 6
"""Colours of a ramp where there are no classes."""
Kind = Product.Kind
Plain = dict[str, Any]


def plain(principal: Principal, figure: Figure) -> Plain:
    """Everything a chart is drawn from as JSON, but for boundaries, which ``with_shapes`` adds."""
    spec = figure.spec
    classes = max(1, len(figure.breaks) - 1) if figure.breaks else SMOOTH
    made: Plain = {
        "kind": spec.kind, "form": spec.form, "measure": figure.measure, "unit": figure.unit, "digits": figure.digits,
        "by": figure.by,
        "groups": [{"key": group.key, "label": group.label} for group in figure.groups],
        "series": [{"key": group.key, "label": group.label} for group in figure.series],
        "values": [[None if value is None else float(value) for value in line] for line in figure.values],
        "total": figure.total, "breaks": figure.breaks, "notes": figure.notes, "at": figure.at.isoformat(),
        "colors": colours.palette(spec.palette, spec.colors),
        "ramp": colours.classed(spec.ramp, classes, spec.backward),
        "look": {
            name: getattr(spec, name)
            for name in ("labels", "legend", "title", "subtitle", "note", "x_title", "y_title", "compared")
        },
    }  # fmt: skip
    if spec.kind == Kind.THEMATIC or spec.form == "ground":
        made["places"] = _places(principal, figure)
        made["level"] = spec.by.partition(":")[2]
    if figure.is_empty:
        made["empty"] = _("按您的权限和所选条件没有数据。")
    return made


def with_shapes(made: Plain) -> Plain:
    """The same with boundaries: of the regions it is about, and of those beside them, as GeoJSON in degrees."""
    if made.get("level") in LEVELS:
        made = made | {"shapes": _shapes([group["key"] for group in made["groups"]], made["level"])}
    return made


def table(made: Plain) -> tuple[list[str], list[list[Any]]]:
    """Headings and lines with the very values that are drawn; of two that are compared also how they differ."""
    unit, series = made["unit"], made["series"]
    single = len(series) == 1 and not series[0]["key"]
    headings = [made["by"], *(in_unit(made["measure"] if single else line["label"], unit) for line in series)]
    lines = [
        [group["label"], *(numbers[n] for numbers in made["values"])] for n, group in enumerate(made["groups"])
    ]  # fmt: skip
    if made["kind"] == Kind.COMPARATIVE and len(series) == 2:
        headings += [in_unit(_("差值"), unit), in_unit(_("变化率"), "%")]
        for line in lines:
            one, other = line[1:3]
            known = one is not None and other is not None
            line.append(other - one if known else None)
            line.append(100 * (other - one) / abs(one) if known and one else None)
    return headings, lines


def _places(principal: Principal, figure: Figure) -> list[list[float] | None]:
    """Longitude and latitude of every group, None where it has no place."""
    spec = figure.spec
    source = sources.layer_of(principal, spec.source)
    by = spec.by.partition(":")[0]
    keys = [group.key for group in figure.groups]
    found: dict[str, list[float]] = {}
    if by == PLACE:
        found = {key: place for key in keys if (place := _lonlat(key)) is not None}
    elif by == FEATURE and source is not None:
        inside = Func(F("geom"), function="ST_PointOnSurface", output_field=GeometryField())
        x, y = (Func(inside, function=name, output_field=FloatField()) for name in ("ST_X", "ST_Y"))
        rows = gate.restrict_index(principal, [source]).filter(pk__in=[key for key in keys if key])
        found = {str(pk): [lon, lat] for pk, lon, lat in rows.exclude(geom=None).values_list("pk", x, y)}
    else:
        whole = {key: key.ljust(6, "0") for key in keys if key and key != OTHERS}
        regions = Region.objects.filter(code__in=whole.values()).exclude(place=None).values_list("code", "place")
        by_code = {code: [place.x, place.y] for code, place in regions if place is not None}
        found = {key: by_code[code] for key, code in whole.items() if code in by_code}
    return [found.get(key) for key in keys]


def _lonlat(key: str) -> list[float] | None:
    """The place that a table wrote down; None where a half of it is missing or there is no such place."""
    try:
        lon, lat = (float(part) for part in key.split(","))
    except ValueError:
        return None
    return [lon, lat] if -180 <= lon <= 180 and -90 <= lat <= 90 else None


def _shapes(keys: list[str], level: str) -> Plain:
    levels = list(LEVELS)
    above = LEVELS[levels[max(0, levels.index(level) - 1)]][0] if level != "province" else 0
    begin = sorted({key[:above] for key in keys if key and key != OTHERS})
    with connection.cursor() as cursor:
        cursor.execute(_SHAPES, {"level": level, "above": above, "begin": begin, "most": MOST_SHAPES})
        found = cursor.fetchall()
    digits = LEVELS[level][0]
    text = ",".join(
        f'{{"type":"Feature","properties":{{"key":"{code[:digits]}","name":{_quoted(name)}}},"geometry":{shape}}}'
        for code, name, shape in found
    )
    return orjson.loads(f'{{"type":"FeatureCollection","features":[{text}]}}')


# A fifteen hundredth of the whole is less than a pixel of any screen's map.
_SHAPES = """
with chosen as (
    select code, name, geom from spatial_region
    where level = %(level)s and geom is not null and left(code, %(above)s) = any(%(begin)s)
        and (valid_from is null or valid_from <= current_date) and (valid_to is null or valid_to > current_date)
    order by code limit %(most)s
), whole as (
    select greatest(ST_XMax(e) - ST_XMin(e), ST_YMax(e) - ST_YMin(e)) / 1500 as step
    from (select ST_Extent(geom) as e from chosen) as extent
)
select code, name, ST_AsGeoJSON(ST_SimplifyPreserveTopology(geom, step), 4) from chosen, whole order by code"""


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
