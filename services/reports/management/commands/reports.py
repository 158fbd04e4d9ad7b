"""``manage.py reports``: make every edition that is due, without the pauses of the periodic work."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from services.reports import making


class Command(BaseCommand):
    """For a catch-up after a long outage or an import; it may run beside the periodic work and be killed."""

    help = _("生成到期的报表后退出；与定时任务同时运行也不会重复。")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seconds", type=float, help=_("最多运行的秒数；不填则到全部生成为止"))

    def handle(self, *args: Any, **options: Any) -> None:
        made = making.work(options["seconds"])
        self.stdout.write(_("生成了%d份报表。") % made)
