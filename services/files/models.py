"""What is known of a kept file; its bytes lie in MEDIA_ROOT under its identifier."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from services.catalog.models import Row


class Attachment(Row):
    """A file of a feature: whose, what it is by its content, when it was made, who or which device gave it."""

    class Kind(models.TextChoices):
        """What a person does with it: look, listen, watch, read."""

        PHOTO = "photo", _("图片")
        SOUND = "sound", _("录音")
        FILM = "film", _("视频")
        DOCUMENT = "document", _("文档")

    # No foreign key: features are rows of any layer, and the index that names them is written anew now and then.
    feature = models.UUIDField(_("所属要素"))
    kind = models.CharField(_("类型"), max_length=8, choices=Kind.choices)
    name = models.CharField(_("文件名"), max_length=200)
    media_type = models.CharField(_("媒体类型"), max_length=100)
    size = models.PositiveBigIntegerField(_("字节数"))
    sha256 = models.CharField(max_length=64)
    taken_at = models.DateTimeField(_("拍摄时间"), null=True, blank=True)
    late = models.BooleanField(_("补传"), default=False)
    device = models.PositiveIntegerField(_("来源设备"), null=True, blank=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("上传人"), null=True, related_name="+"
    )
    note = models.CharField(_("说明"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("附件")
        verbose_name_plural = _("附件")
        indexes = [
            models.Index(fields=["feature", "-created_at"], name="attachment_feature"),
            models.Index(fields=["created_at"], name="attachment_entered"),
        ]
        constraints = [
            # The same bytes of the same moment twice are one file: devices repeat what was not acknowledged.
            models.UniqueConstraint(
                fields=["feature", "sha256", "taken_at"], name="attachment_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.name
