"""Base map of the demo city: real county boundaries; made-up roads, water, buildings and places."""

from math import cos, radians

import shapely

from gis.fields import STORAGE_SRID
from layers.base_maps.models import (
    Boundary,
    Building,
    Closure,
    Edition,
    Level,
    PointOfInterest,
    Remark,
    Road,
    Use,
    WaterBody,
)
from services.catalog.demo import DemoCity, short_name

MADE_UP = "演示数据"
KINDS = {"医院": 3, "学校": 5, "幼儿园": 4, "政务服务中心": 1, "汽车站": 1, "公园": 2, "农贸市场": 3}
USES = {"住宅": 12, "商业": 3, "办公": 2, "厂房": 2, "公共服务": 1}


def seed(city: DemoCity) -> None:
    """Boundaries, roads, water bodies, buildings and points of interest with their records."""
    _boundaries(city)
    _roads(city)
    _water(city)
    _buildings(city)
    _places(city)


def _boundaries(city: DemoCity) -> None:
    rows, editions = [], []
    for county in city.counties:
        if county.geom is None:
            continue
        key = city.new_id()
        rows.append({
            "id": key, "code": county.code, "name": county.name, "region": county.code,
            "geom": county.geom.hexewkb.decode(), "parent_name": city.region.name, "source": "天地图（CGCS2000）",
        })  # fmt: skip
        editions.append({
            "boundary": key, "published_on": city.today.replace(month=1, day=1), "publisher": MADE_UP,
            "note": "随行政区划数据载入",
        })  # fmt: skip
    city.load(Boundary, rows)
    city.load(Edition, editions)


def _roads(city: DemoCity) -> None:
    rows, closures = [], []
    for n, place in enumerate(city.places(city.count(40))):
        key = city.new_id()
        path = shapely.MultiLineString([city.walk(place, city.number(2, 9), wiggle=0.12)])
        rows.append({
            "id": key, "code": f"DL{n + 1:04}", "name": f"{short_name(place.town)}{city.pick('东西南北中')}路",
            "region": place.region, "geom": _hex(path), "kind": city.pick({"主干路": 1, "次干路": 2, "支路": 4}),
            "surface": city.pick(("沥青", "水泥")), "width": city.pick((7.0, 12.0, 18.0, 24.0)), "source": MADE_UP,
        })  # fmt: skip
        if city.chance(0.3):
            closures.append({
                "road": key, "starts_on": city.day(-60, -10), "ends_on": city.day(1, 90),
                "reason": city.pick(("管网改造占道施工", "路面维修", "桥梁检测")),
            })  # fmt: skip
    city.load(Road, rows)
    city.load(Closure, closures)


def _water(city: DemoCity) -> None:
    rows, levels = [], []
    for n, place in enumerate(city.places(city.count(16), urban=0.2)):
        key = city.new_id()
        river = n % 2 == 0
        shape = (
            shapely.LineString(city.walk(place, 6, wiggle=0.2)).buffer(0.0006)
            if river
            else shapely.Point(place.lon, place.lat).buffer(city.number(0.002, 0.006, 4), quad_segs=6)
        )
        rows.append({
            "id": key, "code": f"SX{n + 1:04}", "name": f"{short_name(place.town)}{'河' if river else '水库'}",
            "region": place.region, "geom": _hex(_parts(shape)), "kind": "河流" if river else "水库",
            "source": MADE_UP,
        })  # fmt: skip
        levels += [
            {"water_body": key, "read_at": city.moment(-24 * day - 1, -24 * day), "height": city.number(268, 276, 2)}
            for day in range(3)
        ]
    city.load(WaterBody, rows)
    city.load(Level, levels)


def _buildings(city: DemoCity) -> None:
    rows, uses = [], []
    for n, place in enumerate(city.places(city.count(160))):
        key, floors, use = city.new_id(), city.random.randint(1, 28), city.pick(USES)
        rows.append({
            "id": key, "code": f"JZ{n + 1:05}", "name": f"{short_name(place.town)}{use}{n + 1}号",
            "region": place.region, "geom": _hex(_block(place.lon, place.lat, city.number(8, 30), city.number(8, 20))),
            "kind": use, "height": round(floors * 3.1, 1), "floors": floors, "source": MADE_UP,
        })  # fmt: skip
        uses.append({"building": key, "since": city.day(-4000, -200), "use": use})
    city.load(Building, rows)
    city.load(Use, uses)


def _places(city: DemoCity) -> None:
    rows, remarks = [], []
    for n, place in enumerate(city.places(city.count(90))):
        key, kind = city.new_id(), city.pick(KINDS)
        rows.append({
            "id": key, "code": f"XQ{n + 1:05}", "name": f"{short_name(place.town)}{kind}", "region": place.region,
            "geom": place.geom, "kind": kind, "address": place.address, "telephone": city.phone(), "source": MADE_UP,
        })  # fmt: skip
        if city.chance(0.2):
            remarks.append({
                "place": key, "noted_on": city.day(-300, -1), "text": city.pick(("已核实", "名称变更")),
                "noted_by": city.person(),
            })  # fmt: skip
    city.load(PointOfInterest, rows)
    city.load(Remark, remarks)


def _block(lon: float, lat: float, east: float, north: float) -> shapely.MultiPolygon:
    """A rectangle around a point, its half sides in metres."""
    dx, dy = east / (111_320 * cos(radians(lat))), north / 111_320
    return shapely.MultiPolygon([shapely.box(lon - dx, lat - dy, lon + dx, lat + dy)])


def _parts(shape: shapely.Geometry) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([shape]) if shape.geom_type == "Polygon" else shape


def _hex(shape: shapely.Geometry) -> str:
    return shapely.to_wkb(shapely.set_srid(shape, STORAGE_SRID), hex=True, include_srid=True)
