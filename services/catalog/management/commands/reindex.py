"""``manage.py reindex``: write the feature index anew."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from services.catalog import index


class Command(BaseCommand):
    """Rebuild triggers and rows of the feature index from the declarations."""

    help = "Write the feature index anew from the features of every layer."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            index.install()
            self.stdout.write(f"{index.rebuild()} features indexed")
