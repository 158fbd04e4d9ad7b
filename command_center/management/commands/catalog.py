"""``manage.py catalog``: write the page of all layers, or check that it is fresh."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from command_center import catalogue_page
from command_center.generated import write_or_check


class Command(BaseCommand):
    """Write docs/catalog.md."""

    help = "Write docs/catalog.md from the declarations; --check fails when it is stale."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        write_or_check(settings.ROOT / "docs" / "catalog.md", catalogue_page.page(), check, "catalog")
