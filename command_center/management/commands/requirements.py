"""``manage.py requirements``: write the page of working requirements, or check it and every claim."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from command_center import coverage_page
from command_center.generated import write_or_check


class Command(BaseCommand):
    """Write docs/requirements.md."""

    help = "Write docs/requirements.md from covers; --check fails on unknown or unproved ids and when it is stale."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        found = coverage_page.problems(settings.ROOT)
        if found:
            raise CommandError("\n".join(found))
        write_or_check(
            settings.ROOT / "docs" / "requirements.md", coverage_page.page(settings.ROOT), check, "requirements"
        )
