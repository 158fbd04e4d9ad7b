"""The GeoPackage writer, apart from the others: pyogrio and pyarrow cost 150 MB, which only who exports one pays."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from itertools import batched
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely

from services.catalog.describe import Described
from services.catalog.layer import Layer
from services.export.columns import BATCH, Row, headings
from services.export.writers import Table, bytes_of

_SCHEMA_EXTENSION = """
create table if not exists gpkg_extensions (
  table_name text, column_name text, extension_name text not null, definition text not null, scope text not null,
  constraint ge_tce unique (table_name, column_name, extension_name));
create table if not exists gpkg_data_columns (
  table_name text not null, column_name text not null, name text, title text, description text, mime_type text,
  constraint_name text, constraint pk_gdc primary key (table_name, column_name),
  constraint gdc_tn unique (table_name, name));
create table if not exists gpkg_data_column_constraints (
  constraint_name text not null, constraint_type text not null, value text, min numeric, min_is_inclusive boolean,
  max numeric, max_is_inclusive boolean, description text,
  constraint gdcc_ntv unique (constraint_name, constraint_type, value));
insert or ignore into gpkg_extensions
select name, null, 'gpkg_schema', 'http://www.geopackage.org/spec/#extension_schema', 'read-write'
from (select 'gpkg_data_columns' as name union select 'gpkg_data_column_constraints');
"""
"""OGC 12-128r19, extension F.9 Schema."""


def geopackage(table: Table) -> Iterator[bytes]:
    """A GeoPackage of one layer; fields carry their model names, and their labels as alternative names."""
    layer, kinds = table.layer, [_arrow_type(field) for field in table.fields]
    schema = pa.schema([*zip([field.name for field in table.fields], kinds, strict=True), ("geom", pa.binary())])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "table.gpkg")
        batches = batched(table.rows, BATCH)
        batch: tuple[Row, ...] = next(batches, ())
        appending = False
        while batch or not appending:
            columns = [
                pa.array([_arrow_value(row.values[n], kind) for row in batch], kind) for n, kind in enumerate(kinds)
            ]
            places = shapely.to_wkb(np.array([row.geom for row in batch], dtype=object))
            pyogrio.write_arrow(
                pa.table([*columns, pa.array(list(places), pa.binary())], schema), path,
                layer=layer.key, driver="GPKG", geometry_name="geom", crs=f"EPSG:{table.srid}",
                geometry_type=_geometry_type(layer), append=appending,
                **({} if appending else {"layer_options": {"IDENTIFIER": layer.title, "SPATIAL_INDEX": "YES"}}),
            )  # fmt: skip
            appending = True
            batch = next(batches, ())
        _name_columns(path, table)
        handle = open(path, "rb")  # noqa: SIM115 - read on after its name is gone
    return bytes_of(handle)


def _arrow_type(field: Described) -> pa.DataType:
    match field.schema:
        case {"type": "boolean"}:
            return pa.bool_()
        case {"type": "integer"} if field.related is None:
            return pa.int64()
        case {"type": "number"}:
            return pa.float64()
        case {"format": "date-time"}:
            return pa.timestamp("ms", tz="UTC")
        case {"format": "date"}:
            return pa.date32()
    return pa.string()


def _arrow_value(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_floating(kind):
        return float(value)
    return str(value) if pa.types.is_string(kind) else value


def _geometry_type(layer: Layer) -> str:
    name = layer.geometry_field.geom_type
    known = ("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon")
    return next((k for k in known if k.upper() == name), "Unknown")


def _name_columns(path: str, table: Table) -> None:
    """Write the labels into the GeoPackage's schema extension, where GIS clients find them as aliases."""
    rows = [
        (table.layer.key, field.name, text)
        for field, text in zip(table.fields, headings(table.fields), strict=True)
    ]  # fmt: skip
    with sqlite3.connect(path) as database:
        database.executescript(_SCHEMA_EXTENSION)
        database.executemany("insert into gpkg_data_columns (table_name, column_name, name) values (?, ?, ?)", rows)
    database.close()
