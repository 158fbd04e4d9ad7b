"""``manage.py notify``: send what is due in the outbox, again and again, or once."""

import logging
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.utils.translation import gettext as _

from services.notify import disks, outbox

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """Sweep the outbox: what a lost wake-up left behind, what is to be tried again, what quiet hours held back."""

    help = _("发送待发消息；不带 --once 时持续运行。")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help=_("发送到没有到期的消息为止，然后退出"))
        parser.add_argument("--every", type=float, default=5.0, help=_("两次检查之间的秒数，默认 5"))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            self.stdout.write(str(outbox.deliver()))
            return
        looked = float("-inf")
        while True:
            try:
                if time.monotonic() - looked >= disks.EVERY:
                    looked = time.monotonic()
                    disks.watch()
                outbox.deliver()
            except Error as error:  # the database is away or starts anew: it is asked again
                log.warning("the outbox cannot be read: %s", type(error).__name__)
                connection.close()
            time.sleep(options["every"])
