"""CRS names, Gauss–Krüger zones, datum shifts, and the refusals that keep unshifted positions out."""

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gis import crs, datums
from gis.errors import GeometryError, MissingParameters, UnknownCRS

METRE = 1e-5
"""About one metre in degrees."""


@pytest.mark.parametrize(
    ("shift", "given_", "expected", "tolerance"),
    [
        (datums.wgs_to_gcj, (104.0657, 30.6595), (104.06820739998749, 30.657079144677592), 1e-12),
        (datums.wgs_to_bd, (104.0657, 30.6595), (104.0747017028295, 30.663109266260737), 1e-12),
        (datums.wgs_to_gcj, (116.404, 39.915), (116.41024449916938, 39.91640428150164), 1e-12),
        (datums.gcj_to_bd, (116.404, 39.915), (116.41036949371029, 39.92133699351021), 1e-12),
        # The published figure is the naive inverse, which is some centimetres off the exact one.
        (datums.bd_to_gcj, (116.404, 39.915), (116.39762729119315, 39.90865673957631), METRE / 10),
        (datums.bd_to_wgs, (104.0747017028295, 30.663109266260737), (104.0657, 30.6595), 1e-9),
    ],
)
def test_published_shift_vectors(shift, given_, expected, tolerance):
    assert np.abs(np.array(shift(*given_)) - expected).max() < tolerance


in_china = st.tuples(st.floats(73.6, 135), st.floats(3.9, 53.5))


@given(in_china)
def test_every_shift_returns_within_a_nanodegree(place):
    for there, back in (
        (datums.wgs_to_gcj, datums.gcj_to_wgs),
        (datums.gcj_to_bd, datums.bd_to_gcj),
        (datums.wgs_to_bd, datums.bd_to_wgs),
    ):
        assert np.abs(np.array(back(*there(*place))) - place).max() < 1e-9


def test_shifts_take_arrays_and_leave_the_rest_of_the_world_alone():
    lon, lat = datums.wgs_to_bd([116.404, 2.35, -74.0], [39.915, 48.85, 40.7])
    assert abs(lon[0] - 116.404) > 0.01
    assert (lon[1:], lat[1:]) == (pytest.approx([2.35, -74.0], abs=0), pytest.approx([48.85, 40.7], abs=0))


@given(in_china)
def test_gauss_kruger_returns_to_the_same_place(place):
    for zoned in (False, True):
        srid = crs.gauss_kruger_3(place[0], zone_in_easting=zoned)
        there = crs.transform_geometry(shapely.Point(place), crs.STORAGE_SRID, srid)
        assert abs(there.x - 500_000 - zoned * crs.local_zone(place[0]) * 1e6) < 170_000
        assert shapely.distance(crs.to_storage(there, srid), shapely.Point(place)) < 1e-9


@pytest.mark.parametrize(
    ("lon", "srid"), [(75, 4534), (107.5, 4545), (114.9, 4547), (118.5, 4549), (135, 4554), (136.5, 4554)]
)
def test_local_zone_by_longitude(lon, srid):
    assert crs.gauss_kruger_3(lon) == srid
    assert crs.gauss_kruger_3(lon, zone_in_easting=True) == srid - 21


@pytest.mark.parametrize("lon", [0, 31.2, 136.51, float("nan"), float("inf")])
def test_no_zone_outside_china(lon):
    with pytest.raises(UnknownCRS):
        crs.local_zone(lon)


@pytest.mark.parametrize(
    ("text", "srid", "flip"),
    [
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", 4326, False),
        ("[OGC:CRS84]", 4326, False),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", 4326, True),
        ("https://www.opengis.net/def/crs/EPSG/0/4490", 4490, True),
        ("urn:ogc:def:crs:EPSG::3857", 3857, False),
        ("EPSG:4547", 4547, True),
        ("4524", 4524, True),
    ],
)
def test_ogc_names(text, srid, flip):
    found = crs.parse_crs(text)
    assert (found.srid, found.flip) == (srid, flip)
    assert crs.parse_crs(found.uri) == found


@pytest.mark.parametrize(
    "text", ["", "EPSG:2154", "EPSG:4555", "CRS:84", "+proj=longlat", "4490; DROP TABLE x", "9" * 4000]
)
def test_unknown_names_list_what_is_served(text):
    with pytest.raises(UnknownCRS, match="4513–4554"):
        crs.parse_crs(text)


@pytest.mark.parametrize("srid", crs.SERVED_SRIDS)
def test_every_served_crs_reaches_storage_in_lon_lat_order(srid):
    zone = (srid - 4513) % 21 if srid >= 4513 and srid < 4555 else 10
    place = shapely.Point(75 + 3 * zone, 30)
    there = crs.transform_geometry(place, crs.STORAGE_SRID, srid)
    assert shapely.distance(crs.to_storage(there, srid), place) < 1e-9


@pytest.mark.parametrize("srid", [4214, 2401, 2437, 21420, 4610, 2327, 2363, 4555])
@pytest.mark.parametrize("spelling", ["WKT1_ESRI", "WKT1_GDAL", "WKT2_2019"])
def test_beijing_54_and_xian_80_are_refused_not_left_unshifted(srid, spelling):
    for named in (srid, pyproj.CRS.from_epsg(srid).to_wkt(spelling)):
        with pytest.raises(MissingParameters):
            crs.to_storage(shapely.Point(116, 40), named)


def test_a_crs_without_known_parameters_is_refused():
    nowhere = (
        'GEOGCS["local",DATUM["Unknown",SPHEROID["x",6378137,298.2]],PRIMEM["Greenwich",0],'
        'UNIT["degree",0.0174532925199433]]'
    )
    with pytest.raises(MissingParameters):
        crs.to_storage(shapely.Point(116, 40), nowhere)
    for text in ("+proj=longlat +nadgrids=@/etc/passwd", "nonsense"):
        with pytest.raises(UnknownCRS):
            crs.read_crs(text)


def test_the_wrong_zone_is_refused():
    with pytest.raises(GeometryError):
        crs.to_storage(shapely.Point(500_000, 3_300_000), 4524)


def test_a_stated_datum_is_undone():
    place = shapely.Point(107.5, 31.2)
    shifted = shapely.transform(place, datums.wgs_to_gcj, interleaved=False)
    assert shapely.distance(shifted, place) * 1e5 > 100, "the shift is larger than a fence"
    assert shapely.distance(crs.to_storage(shifted, datums.Datum.GCJ02), place) < 1e-9
    assert crs.to_storage(shapely.Point(107.5, 31.2, 9), datums.Datum.WGS84).equals_exact(place)
