"""``manage.py importfile LAYER FILE``: import a file into a layer from the command line, or undo an import."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from gis.datums import Datum
from ingest.files import imports
from ingest.files.places import POINT, WKT
from ingest.files.undo import undo
from ingest.models import Import
from services.access import gate
from services.access.errors import AccessError
from services.access.principal import SYSTEM, Principal, principal_of
from services.accounts.models import User

SHOWN = 20
"""Problems and notes printed."""


class Command(BaseCommand):
    """Import a file into a layer, or undo an import."""

    help = _("把文件导入图层：importfile LAYER FILE；或撤销一次导入：importfile --undo ID。")

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("layer", nargs="?", help=_("图层的标识，例如 points_of_interest"))
        add("file", nargs="?", type=Path)
        add("--srid", type=int, help=_("坐标系的 EPSG 编号，例如 4490"))
        add("--datum", choices=Datum.values, help=_("经纬度的基准"))
        add("--layer-name", metavar="NAME", help=_("文件中的图层或工作表"))
        add("--map", action="append", default=[], metavar="FIELD=COLUMN", help=_("字段取自哪一列；可重复"))
        add("--set", action="append", default=[], metavar="FIELD=VALUE", help=_("空单元格用的值；可重复"))
        add("--place", metavar="COLUMN[,COLUMN]", help=_("位置所在的列：经度,纬度 或 WKT"))
        add("--skip-bad", action="store_true", help=_("跳过有错误的行；否则有错误就全部不导入"))
        add("--repair", action="store_true", help=_("自动修复无效的图形"))
        add("--user", metavar="NAME", help=_("以谁的权限导入；默认为系统"))
        add("--dry-run", action="store_true", help=_("只检查，不写入"))
        add("--undo", metavar="ID", help=_("撤销这次导入"))

    def handle(self, *args: Any, **options: Any) -> None:
        principal = _principal(options["user"])
        try:
            if options["undo"]:
                count = undo(principal, imports.mine(principal, options["undo"]))
                self.stdout.write(_("已撤销，删除 %d 个要素。") % count)
            else:
                self._import(principal, options)
        except AccessError as error:
            fields = getattr(error, "fields", {})
            lines = [error.message, *(f"  {name}: {' '.join(texts)}" for name, texts in fields.items())]
            raise CommandError("\n".join(lines)) from error

    def _import(self, principal: Principal, options: dict[str, Any]) -> None:
        if not options["layer"] or not options["file"] or not options["file"].is_file():
            raise CommandError(_("请给出图层和文件：importfile LAYER FILE。"))
        layer = gate.layer_for(principal, options["layer"], "import")
        with options["file"].open("rb") as upload:
            item = imports.start(principal, layer, upload, options["file"].name)
        try:
            self._run(principal, item, options)
        finally:
            item.refresh_from_db()
            if item.state != Import.State.DONE:
                imports.discard(principal, item)

    def _run(self, principal: Principal, item: Import, options: dict[str, Any]) -> None:
        if options["layer_name"]:
            item = imports.choose(principal, item, options["layer_name"])
        place = None
        if options["place"]:
            columns = options["place"].split(",")
            place = {"kind": POINT if len(columns) == 2 else WKT, "columns": columns}
        item = imports.configure(
            principal, item, srid=options["srid"], datum=options["datum"], place=place,
            mapping=item.mapping | _pairs(options["map"]), constants=_pairs(options["set"]),
            policy=Import.Policy.SKIP if options["skip_bad"] else Import.Policy.ALL, repair=options["repair"],
        )  # fmt: skip
        item = imports.run(principal, item, dry_run=options["dry_run"])
        for number, name, message in item.report[:SHOWN]:
            self.stderr.write(
                _("第 %(row)d 行 %(field)s：%(message)s") % {"row": number, "field": name, "message": message}
            )
        for note in item.notes[:SHOWN]:
            self.stdout.write(note)
        counts = item.counts
        told = {"read": counts["read"], "refused": counts["refused"], "written": counts["written"], "id": item.pk}
        if item.state == Import.State.DONE:
            self.stdout.write(_("读取 %(read)d 行，写入 %(written)d 行，跳过 %(refused)d 行。导入编号 %(id)s。") % told)
        elif options["dry_run"]:
            self.stdout.write(_("检查完毕：读取 %(read)d 行，%(refused)d 行有问题。没有写入。") % told)
        else:
            raise CommandError(_("%(refused)d 行有问题，没有写入任何内容。") % told)


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in given)
    if not all(pairs.values()):
        raise CommandError(_("写法是 字段=值，例如 --map name=名称。"))
    return pairs


def _principal(name: str | None) -> Principal:
    if not name:
        return SYSTEM
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(_("没有用户“%s”。") % name)
    return principal_of(user)
