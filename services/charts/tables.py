"""Tables that people bring for charts: small, theirs alone, each column read as number, date, region or text."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import batched
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from gis.models import Region, code_prefix
from services.access.errors import Conflict, Invalid, LogInNeeded, NotFound, TooLarge
from services.access.principal import Principal
from services.audit import trail
from services.charts.models import Product, Row, Table

MOST_ROWS = 5_000
MOST_COLUMNS = 60
MOST_TABLES = 30
LONGEST_CELL = 200
BATCH = 1_000
MISSING = frozenset({"", "—", "–", "-", "/", "null", "n/a"})
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T](\d{1,2}):(\d{2})(?::\d{2}(?:\.\d+)?)?)?")
_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?([eE][+-]?\d{1,2})?%?")


def mine(principal: Principal) -> list[Table]:
    """One's own tables."""
    return list(Table.objects.filter(owner=principal.id)) if principal.id else []


def fetch(principal: Principal, pk: UUID) -> Table:
    """One of them; NotFound for any other."""
    found = Table.objects.filter(owner=principal.id, pk=pk).first() if principal.id else None
    if found is None:
        raise NotFound(_("没有这个表格。"))
    return found


@transaction.atomic
def keep(principal: Principal, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Keep a table; TooLarge beyond MOST_ROWS or MOST_COLUMNS, Invalid where it has no line or no column."""
    if principal.id is None:
        raise LogInNeeded(_("请先登录。"))
    if Table.objects.filter(owner=principal.id).count() >= MOST_TABLES:
        raise Conflict(_("每人最多保存%d个表格，请先删除不用的。") % MOST_TABLES)
    if len(columns) > MOST_COLUMNS:
        raise TooLarge(
            _("表格有 %(n)d 列，最多 %(most)d 列。请删去不用的列。") % {"n": len(columns), "most": MOST_COLUMNS}
        )
    lines: list[list[Any]] = []
    for row in rows:
        if len(lines) == MOST_ROWS:
            raise TooLarge(_("表格超过 %d 行。请先汇总，或分成几个表格。") % MOST_ROWS)
        lines.append([_clean(cell) for cell in [*row, *[None] * len(columns)][: len(columns)]])
    if not lines:
        raise Invalid(_("表格没有数据行：第一行为表头，数据从第二行开始。"))
    kinds = []
    for place in range(len(columns)):
        kind, values = _read([line[place] for line in lines])
        kinds.append(kind)
        for line, value in zip(lines, values, strict=True):
            line[place] = value
    named = [[str(label)[:LONGEST_CELL], kind] for label, kind in zip(columns, kinds, strict=True)]
    table = Table.objects.create(
        name=name.strip()[:100] or _("表格"), owner_id=principal.id, columns=named, size=len(lines)
    )  # fmt: skip
    for batch in batched(enumerate(lines, 1), BATCH):
        Row.objects.bulk_create(Row(table=table, number=n, cells=cells) for n, cells in batch)
    trail.note(
        principal.id, principal.name, "upload table", object_id=table.pk, address=principal.address,
        changes={"name": [None, table.name], "rows": [None, len(lines)]},
    )  # fmt: skip
    return table


@transaction.atomic
def delete(principal: Principal, pk: UUID) -> None:
    """Delete a table; Conflict while a chart stands on it."""
    table = fetch(principal, pk)
    used = Product.objects.filter(source=f"table:{table.pk}").count()
    if used:
        raise Conflict(_("有 %d 个图表使用该表格，请先删除这些图表。") % used)
    trail.note(
        principal.id, principal.name, "delete table", object_id=table.pk, address=principal.address,
        changes={"name": [table.name, None], "rows": [table.size, None]},
    )  # fmt: skip
    table.delete()


def _clean(cell: Any) -> Any:
    if isinstance(cell, str):
        return cell.replace("\0", "").strip()[:LONGEST_CELL]
    return cell


def _read(cells: list[Any]) -> tuple[str, list[Any]]:
    """The kind of a column by all its cells, and what is kept of each; an empty one is None."""
    filled = [None if isinstance(cell, str) and cell.lower() in MISSING else cell for cell in cells]
    there = [cell for cell in filled if cell is not None]
    if there:
        regions = _regions({str(cell) for cell in there if isinstance(cell, str | int)})
        if regions and all(str(cell) in regions for cell in there):
            return "region", [None if cell is None else regions[str(cell)] for cell in filled]
        for kind, convert in (("number", _number), ("date", _moment)):
            values = [None if cell is None else convert(cell) for cell in filled]
            if sum(value is not None for value in values) == len(there):
                return kind, values
    return "text", [None if cell is None else _text(cell) for cell in filled]


def _number(cell: Any) -> float | None:
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float | Decimal):
        return float(cell) if abs(float(cell)) < 1e15 else None
    if not isinstance(cell, str) or not _NUMBER.fullmatch(cell) or len(cell) > 30:
        return None
    # A long row of digits is a number of somebody or something, and so is one that begins with a zero.
    if cell.isdecimal() and (len(cell) > 11 or (cell[0] == "0" and len(cell) > 1)):
        return None
    number = float(cell.removesuffix("%").replace(",", ""))
    return number if abs(number) < 1e15 else None


def _moment(cell: Any) -> str | None:
    """A time by China's clock, as PostgreSQL reads it."""
    if isinstance(cell, datetime):
        local = timezone.localtime(cell).replace(tzinfo=None) if timezone.is_aware(cell) else cell
        return local.isoformat(sep=" ", timespec="seconds")
    if isinstance(cell, date):
        return f"{cell.isoformat()} 00:00:00"
    found = _DAY.fullmatch(cell) if isinstance(cell, str) else None
    if found is None:
        return None
    try:
        made = datetime(*(int(part or 0) for part in found.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None
    return made.isoformat(sep=" ", timespec="seconds")


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)[:LONGEST_CELL]


def _regions(texts: set[str]) -> dict[str, str]:
    """Name or code → code of a region in force; of those that share a name the one in the product's own region."""
    if len(texts) > BATCH:
        return {}
    current = Region.objects.current()
    rows = list(current.filter(code__in=texts).values_list("code", "code"))
    rows += current.filter(name__in=texts).values_list("name", "code")
    home = code_prefix(settings.PRODUCT_REGION)
    # The last one counts: those at home stand last.
    return dict(sorted(rows, key=lambda row: (row[1].startswith(home), row[1])))
