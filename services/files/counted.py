"""What statistics count of files: when they came, and of what kind they are."""

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from services.catalog.happenings import Amount, Happening, register
from services.files.models import Attachment

register(
    Happening(
        "files", Attachment, "created_at", "feature", _("图片与文件"), _("现场资料"), ("kind",),
        (Amount("size", _("文件大小"), "MB", F("size") / 1_000_000.0),), 
        ("kind", "name", "taken_at", "added_by", "note"),
    )
)  # fmt: skip
