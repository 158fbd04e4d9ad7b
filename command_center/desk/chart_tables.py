"""Tables that people bring for charts: uploading, looking at one, deleting it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from gis.models import Region
from ingest.files import delimited, uploads
from ingest.files.source import Source
from services.access.errors import Conflict, Invalid, TooLarge
from services.access.principal import Principal
from services.charts import tables
from services.charts.models import Row, Table
from services.files.names import shown_name

MOST_BYTES = 5 * 1024 * 1024
SHOWN = 50
"""Lines of a table that its page shows."""
KINDS = {
    "text": gettext_lazy("文字"), "number": gettext_lazy("数字"), "date": gettext_lazy("日期"),
    "region": gettext_lazy("行政区"),
}  # fmt: skip


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """One's own tables, and the form by which another one comes."""
    principal = visitor(request)
    context: dict[str, Any] = {
        "most_rows": tables.MOST_ROWS, "most_columns": tables.MOST_COLUMNS, "most_bytes": MOST_BYTES >> 20
    }  # fmt: skip
    if request.method == "POST":
        try:
            made = _taken(principal, request)
        except (Invalid, TooLarge, Conflict) as error:
            context["refusal"] = error.message
        else:
            messages.success(request, _("表格“%(name)s”已上传，共 %(n)d 行。") % {"name": made.name, "n": made.size})
            return HttpResponseRedirect(reverse("desk-chart-table", args=[made.pk]))
    context["tables"] = tables.mine(principal)
    return render(request, "desk/chart_tables.html", context, status=422 if "refusal" in context else 200)


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A table with the kinds of its columns and its first lines."""
    table = tables.fetch(visitor(request), pk)
    lines = Row.objects.filter(table=table).order_by("number")[:SHOWN].values_list("cells", flat=True)
    kinds = [kind for _label, kind in table.columns]
    context = {
        "table": table, "lines": _readable(kinds, list(lines)),
        "columns": [(label, kind, KINDS.get(kind, kind)) for label, kind in table.columns],
    }  # fmt: skip
    return render(request, "desk/chart_table.html", context)


@require_POST
@signed_in
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a table that no chart stands on."""
    tables.delete(visitor(request), pk)
    messages.success(request, _("表格已删除。"))
    return HttpResponseRedirect(reverse("desk-chart-tables"))


def _readable(kinds: list[str], lines: list[list[Any]]) -> list[list[Any]]:
    """The cells as a person reads them: regions by name, days without midnight."""
    codes = {cell for line in lines for kind, cell in zip(kinds, line, strict=True) if kind == "region" and cell}
    regions = dict(Region.objects.filter(code__in=codes).values_list("code", "name"))
    return [
        [
            regions.get(cell, cell) if kind == "region"
            else str(cell).removesuffix(" 00:00:00") if kind == "date" and cell
            else cell
            for kind, cell in zip(kinds, line, strict=True)
        ]
        for line in lines
    ]  # fmt: skip


def _taken(principal: Principal, request: HttpRequest) -> Table:
    """The table of an uploaded file: its first sheet with something in it."""
    file = request.FILES.get("file")
    if file is None:
        raise Invalid(_("请选择文件。"))
    if (file.size or 0) > MOST_BYTES:
        raise TooLarge(_("文件超过 %d MB。请只保留要用的行和列。") % (MOST_BYTES >> 20))
    name = shown_name(file.name or "")
    stem, _dot, ending = name.rpartition(".")
    ending = {"txt": "csv", "tsv": "csv"}.get(ending.lower(), ending.lower())
    if ending not in ("csv", "xlsx"):
        raise Invalid(_("不能读取“%s”。可上传 CSV 或 Excel（.xlsx）。") % name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table.{ending}"
        path.write_bytes(file.read())
        if path.stat().st_size == 0:
            raise Invalid(_("文件是空的。"))
        uploads.check_start(path, ending)
        source = next(iter(_reader(path).sources(path)))
        return tables.keep(principal, request.POST.get("name", "") or stem, source.columns, _lines(path, source))


def _lines(path: Path, source: Source) -> Iterator[list[Any]]:
    for row in _reader(path).rows(path, source.name):
        if row.problem:
            raise Invalid(_("第 %(n)d 行：%(problem)s") % {"n": row.number, "problem": row.problem})
        cells = [row.values.get(name) for name in source.columns]
        if any(cell not in (None, "") for cell in cells):
            yield cells


def _reader(path: Path) -> Any:
    if path.suffix == ".csv":
        return delimited
    # openpyxl costs a tenth of a second and 10 MB at start: only who brings a workbook pays.
    from ingest.files import workbooks

    return workbooks
