"""``manage.py reseal``: seal every secret anew with the present secret of the installation, after a change of it."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from services.catalog.sealed import CannotOpen, Sealed, SealedField, is_present


class Command(BaseCommand):
    """All rows of all sealed fields, or none: what cannot be opened is named, and nothing is changed."""

    help = _("更换安装密钥后，用新密钥重新密封全部密钥字段；旧密钥经 ZHUTU_OLD_SECRET_KEYS 提供。")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Seal anew."""
        done = 0
        for model in apps.get_models():
            for field in model._meta.concrete_fields:
                if not isinstance(field, SealedField):
                    continue
                for row in model._default_manager.select_for_update().only("pk", field.name).order_by("pk"):
                    kept: Sealed = getattr(row, field.name)
                    if not kept or is_present(kept.text):
                        continue
                    try:
                        setattr(row, field.name, kept.open())
                    except CannotOpen as error:
                        raise CommandError(f"{model._meta.label} {row.pk}: {error}") from error
                    row.save(update_fields=[field.name])
                    done += 1
        self.stdout.write(_("已重新密封 %d 项。") % done)
