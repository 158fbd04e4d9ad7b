"""What was measured as a file: reading by reading, and any table with its time in the name."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _

from command_center.desk.outputs import attachment
from command_center.desk.times import Period
from services.access.errors import TooLarge
from services.export.sheets import sheet
from services.export.tables import XLSX_ROWS
from services.telemetry import tables
from services.telemetry.models import Device, Factor, Reading
from services.telemetry.spans import ZONE, Span


def file(
    form: str, title: str, headings: list[str], rows: Iterable[Any], name: str, time: Period
) -> StreamingHttpResponse:
    """A table of a time as Excel or CSV; Invalid for another form."""
    first, last = (each.astimezone(ZONE).date() for each in (time.begin, time.end))
    return of_days(form, title, headings, rows, name, first, last)


def of_days(
    form: str, title: str, headings: list[str], rows: Iterable[Any], name: str, first: date, last: date
) -> StreamingHttpResponse:
    """The same of whole days, both included; the file's name has what no file system refuses."""
    chunks, kind = sheet(form, title, headings, rows)
    response = StreamingHttpResponse(chunks, content_type=kind)
    clean = "".join("_" if c in '\\/:*?"<>|' or not c.isprintable() else c for c in name)
    days = f"{first}" if first == last else f"{first}_{last}"
    response.headers["Content-Disposition"] = attachment(f"{clean}_{days}.{form}")
    return response


def readings(
    form: str, count: int, found: Iterable[tuple[Device, Factor, str, Reading]]
) -> tuple[list[str], Iterator[Any]]:
    """Headings and rows of readings, each with its device, its factor and what that is called; TooLarge for Excel."""
    if form == "xlsx" and count > XLSX_ROWS:
        raise TooLarge(_("共 %(count)d 行，超过 Excel 一张表的 %(most)d 行。请缩小范围，或改用 CSV。")
                       % {"count": count, "most": XLSX_ROWS})  # fmt: skip
    headings = [
        _("设备编号"), _("监测因子"), _("因子编码"), _("时段"), _("监测时间"), _("数值"), _("计量单位"),
        _("最小值"), _("最大值"), _("累计量"), _("数据标记"), _("质量"), _("接收时间"), _("补传"),
    ]  # fmt: skip
    words = {True: _("是"), False: _("否")}
    return headings, (
        (device.number, label, factor.code, str(Span(r.span).label), r.at, r.value, factor.unit, r.low, r.high,
         r.total, r.flag.strip(), tables.quality(r), r.received_at, words[r.late])
        for device, factor, label, r in found
    )  # fmt: skip
