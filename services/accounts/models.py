"""Users, memberships and API tokens."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from services.accounts.roles import Role
from services.catalog.ids import UUID7, uuid7
from services.catalog.models import FeatureIndex

FAILURES_ALLOWED = 5
LOCK = timedelta(minutes=15)
"""After so many wrong passwords the account rests for so long (GB/T 22239-2019 §7.1.4.1; figures by custom)."""


class User(AbstractUser):
    """A person or a system that logs in."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=UUID7(), editable=False)
    title = models.CharField(_("姓名"), max_length=60, blank=True)
    failures = models.PositiveSmallIntegerField(_("连续失败次数"), default=0, editable=False)
    locked_until = models.DateTimeField(_("锁定至"), null=True, editable=False)

    class Meta:
        verbose_name = _("用户")
        verbose_name_plural = _("用户")

    def __str__(self) -> str:
        return self.title or self.username

    @property
    def is_locked(self) -> bool:
        return self.locked_until is not None and self.locked_until > timezone.now()

    def note_failure(self) -> None:
        """Count a wrong password; the fifth in a row locks the account."""
        User.objects.filter(pk=self.pk).update(failures=models.F("failures") + 1)
        self.refresh_from_db(fields=["failures"])
        if self.failures >= FAILURES_ALLOWED:
            User.objects.filter(pk=self.pk).update(failures=0, locked_until=timezone.now() + LOCK)

    def note_success(self) -> None:
        """Forget the failures."""
        User.objects.filter(pk=self.pk).update(failures=0, locked_until=None)


class Membership(models.Model):
    """A role a user holds, everywhere or within one region's subtree and/or one organisation."""

    user = models.ForeignKey(User, models.CASCADE, verbose_name=_("用户"), related_name="memberships")
    role = models.CharField(_("角色"), max_length=20, choices=Role.choices)
    region = models.ForeignKey("spatial.Region", models.PROTECT, verbose_name=_("辖区"), null=True, blank=True)
    organisation = models.ForeignKey(
        FeatureIndex, models.DO_NOTHING, verbose_name=_("单位"), null=True, blank=True, related_name="+"
    )
    named_only = models.BooleanField(
        _("仅限指定对象"),
        default=False,
        db_default=False,
        help_text=_("只能查看和操作逐一授权的设备、工地等对象及其下属对象。"),
    )

    class Meta:
        verbose_name = _("授权")
        verbose_name_plural = _("授权")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role", "region", "organisation"], name="membership_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"


class Named(models.Model):
    """A feature to which a membership reaches that is limited to those named."""

    membership = models.ForeignKey(Membership, models.CASCADE, verbose_name=_("授权"), related_name="named")
    # No foreign key: features are rows of any layer, and one that is gone opens nothing.
    feature = models.UUIDField(_("对象"))

    class Meta:
        verbose_name = _("指定对象")
        verbose_name_plural = _("指定对象")
        constraints = [models.UniqueConstraint(fields=["membership", "feature"], name="named_once")]

    def __str__(self) -> str:
        return str(self.feature)


class ApiToken(models.Model):
    """A secret with which another system or a GIS client acts as a user; only its digest is stored."""

    user = models.ForeignKey(User, models.CASCADE, verbose_name=_("用户"), related_name="tokens")
    name = models.CharField(_("用途"), max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.DateTimeField(_("有效期至"), null=True, blank=True)
    created_at = models.DateTimeField(_("创建时间"), auto_now_add=True)

    class Meta:
        verbose_name = _("接口令牌")
        verbose_name_plural = pgettext_lazy("plural", "接口令牌")

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def hash(secret: str) -> str:
        """The stored form of a secret: 256 random bits need no slow hash."""
        return hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def issue(cls, user: User, name: str, expires_at: datetime | None = None) -> str:
        """Create a token and return its secret, which is shown this once."""
        secret = secrets.token_urlsafe(32)
        cls.objects.create(user=user, name=name, digest=cls.hash(secret), expires_at=expires_at)
        return secret
