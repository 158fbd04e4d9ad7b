"""Admin pages of the messages: channels with their hosts and keys, wordings, and the outbox with what was given up."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from services.admin.admin import ForAdministrators, ReadOnly
from services.notify import outbox
from services.notify.channels import secrets_of
from services.notify.keys import PREFIX, is_set
from services.notify.models import Channel, Contact, Delivery, Destination, Template, masked


@admin.register(Destination)
class DestinationAdmin(ForAdministrators, admin.ModelAdmin):
    """Hosts that may be called."""

    list_display = ("host", "port", "internal", "note")


@admin.register(Channel)
class ChannelAdmin(ForAdministrators, admin.ModelAdmin):
    """Channels; of a secret only whether there is one."""

    list_display = ("name", "kind", "enabled", "rests_until")
    readonly_fields = ("keys", "rests_until")

    @admin.display(description=gettext_lazy("密钥"))
    def keys(self, obj: Channel) -> str:
        """Each secret's variable, and whether it is set."""
        if obj.pk is None:
            return "—"
        names = secrets_of(obj)
        return "；".join(f"{PREFIX}{n}：{_('已设置') if is_set(n) else _('未设置')}" for n in names) or "—"


@admin.register(Template)
class TemplateAdmin(ForAdministrators, admin.ModelAdmin):
    """Wordings."""

    list_display = ("key", "channel", "language", "subject")
    list_filter = ("channel", "language")


@admin.register(Contact)
class ContactAdmin(ForAdministrators, admin.ModelAdmin):
    """Where people want messages."""

    list_display = ("user", "language", "quiet_from", "quiet_to")
    raw_id_fields = ("user",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):
    """The outbox: to see what failed or was given up, and to send it again."""

    list_display = ("message", "channel", "to", "state", "attempts", "next_try_at", "done_at", "error")
    list_filter = ("state", "channel")
    list_select_related = ("message", "channel")
    exclude = ("address",)
    show_full_result_count = False
    actions = ("again",)

    @admin.display(description=gettext_lazy("地址"))
    def to(self, obj: Delivery) -> str:
        """The address without what would identify its owner."""
        return masked(obj.address)

    @admin.action(description=gettext_lazy("重新发送"))
    def again(self, request: HttpRequest, queryset: Any) -> None:
        """Put what was refused or given up back into the queue."""
        rows = list(queryset)
        count = outbox.again(rows)
        for row in rows:
            self._note(request, "resend", row, [])
        messages.success(request, _("已重新排队：%d 条") % count)
