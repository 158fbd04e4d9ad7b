"""``manage.py files``: whether rows and bytes of attachments belong together."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from services.files import store


class Command(BaseCommand):
    """Name what is missing; with ``--tidy`` remove what broken uploads left behind."""

    help = "Compare the rows of attachments with the files on the disk."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether to remove."""
        parser.add_argument("--tidy", action="store_true", help="remove files that no row names")

    def handle(self, *args: Any, tidy: bool, **options: Any) -> None:
        lone = list(store.orphans())
        for path in lone:
            self.stdout.write(f"no row: {path}")
            if tidy:
                path.unlink(missing_ok=True)
        gone = list(store.missing())
        for pk in gone:
            self.stdout.write(f"no file: {pk}")
        if gone:
            raise CommandError(f"{len(gone)} attachments have lost their file: restore them from the backup.")
        self.stdout.write(f"{len(lone)} files without a row, no row without its file")
