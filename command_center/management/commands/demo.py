"""``manage.py demo``: the demo city, its rows and the accounts that look at them."""

import fcntl
import os
import re
import secrets
import time
from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.models import Count, Model
from django.utils.translation import gettext as _

from gis.models import Region
from layers.concrete.models import MixingPlant
from layers.projects.models import Participation
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.catalog.demo import DemoCity, seeds, sow

PREFIX = "demo-"
ACCOUNTS = settings.MEDIA_ROOT.parent / "accounts.txt"


class Command(BaseCommand):
    """Load the regions, seed every domain that is empty, and make the demo accounts; repeating it adds nothing."""

    help = _("填充演示城市：行政区划、各业务的演示数据与演示账号。可重复执行，已有数据的业务不再填充。")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--scale", type=float, default=1.0, help=_("数据量的倍数，默认 1。"))
        parser.add_argument("--bench", action="store_true", help=_("使用性能测试的数据量。"))
        parser.add_argument(
            "--reset", action="store_true", help=_("先清空全部业务数据和按单位的授权，再重新填充；人工录入的也会清空。")
        )
        parser.add_argument("--accounts", action="store_true", help=_("只显示演示账号。"))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["accounts"]:
            if not ACCOUNTS.is_file():
                raise CommandError(_("还没有演示账号：请先执行 manage.py demo。"))
            self.stdout.write(ACCOUNTS.read_text("utf-8"))
            return
        if options["scale"] <= 0:
            raise CommandError(_("--scale 应大于零。"))
        if not Region.objects.exists():
            call_command("loadregions", stdout=self.stdout, stderr=self.stderr)
        try:
            city = DemoCity(settings.PRODUCT_REGION, options["scale"], options["bench"])
        except Region.DoesNotExist as error:
            raise CommandError(
                _("没有代码为 %s 的行政区：请检查 ZHUTU_REGION，或先执行 loadregions。") % settings.PRODUCT_REGION
            ) from error
        if options["reset"]:
            self.reset()
        for label, seed in seeds().items():
            began = time.monotonic()
            if sow(city, label, seed) and options["verbosity"]:
                self.stdout.write(f"{label}: {time.monotonic() - began:.1f} s")
        with connection.cursor() as cursor:
            cursor.execute("analyze")
        table = self.people(city)
        if options["verbosity"]:
            self.stdout.write(table)

    @transaction.atomic
    def reset(self) -> None:
        """Empty every table of every domain but the rules: those carry their source and belong to no row."""
        # Rights in an organisation go with it; those in a region stay.
        Membership.objects.exclude(organisation=None).delete()
        models = [m for app in apps.get_app_configs() if app.name.startswith("layers.") for m in app.get_models()]
        tables = [connection.ops.quote_name(model._meta.db_table) for model in models if not _is_rule(model)]
        with connection.cursor() as cursor:
            cursor.execute(f"truncate {', '.join(tables)}")

    def people(self, city: DemoCity) -> str:
        """Make the demo accounts where they are missing; returns their table, which is also kept in a private file."""
        ACCOUNTS.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(ACCOUNTS, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
            # Two loads at once must not make two passwords and keep one of them.
            fcntl.flock(file, fcntl.LOCK_EX)
            kept = re.search(r"[:：]\s*(\S+)", file.read())
            table = self.accounts(city, kept[1] if kept else "")
            file.seek(0)
            file.truncate()
            file.write(f"{table}\n")
        return table

    @transaction.atomic
    def accounts(self, city: DemoCity, kept: str) -> str:
        """The accounts with the kept password, or a new one; returns their table."""
        given = os.environ.get("ZHUTU_DEMO_PASSWORD")
        password = given or kept or secrets.token_urlsafe(9)
        lines = [_("演示账号，密码均为：%s") % password]
        for name, role, region, organisation in holders(city):
            user, created = User.objects.get_or_create(
                username=PREFIX + name, defaults={"title": str(role.label), "is_staff": role == Role.ADMIN}
            )
            if created or given or not kept:
                user.set_password(password)
                user.save(update_fields=["password"])
            if not user.memberships.exists():
                Membership.objects.create(user=user, role=role, region=region, organisation_id=organisation)
            bounds = user.memberships.select_related("region", "organisation").first()
            assert bounds is not None
            where = bounds.organisation or bounds.region or _("全部")
            lines.append(f"  {user.username:<24}{role.label}（{where}）")
        return "\n".join(lines)


def _is_rule(model: type[Model]) -> bool:
    fields = model._meta.concrete_fields
    return any(field.name == "citation" for field in fields) and not any(field.is_relation for field in fields)


def holders(city: DemoCity) -> list[tuple[str, Role, Region | None, Any]]:
    """Name, role, region and organisation of each demo account."""
    first, second = city.counties[0], city.counties[min(1, len(city.counties) - 1)]
    builder = Participation.objects.filter(capacity="contractor").values_list("enterprise")
    producer = MixingPlant.objects.exclude(enterprise=None).values_list("enterprise")
    contractor, operator = (
        rows.annotate(rows=Count("pk")).order_by("-rows", "enterprise").first() or (None,)
        for rows in (builder, producer)
    )
    found: list[tuple[str, Role, Region | None, Any]] = [
        ("admin", Role.ADMIN, None, None),
        ("commander", Role.COMMANDER, city.region, None),
        # Wherever an alarm is raised somebody is told: not every county has a supervisor of its own.
        ("supervisor-city", Role.SUPERVISOR, city.region, None),
        ("supervisor", Role.SUPERVISOR, first, None),
        ("supervisor-2", Role.SUPERVISOR, second, None),
        ("inspector", Role.INSPECTOR, first, None),
    ]
    # An account of an enterprise that is not there would see everything.
    if contractor[0]:
        found.append(("contractor", Role.CONTRACTOR, None, contractor[0]))
    if operator[0]:
        found.append(("operator", Role.OPERATOR, None, operator[0]))
    return found
