"""Admin pages of the messages: channels with their hosts and keys, wordings, and the outbox with what was given up."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from services.admin.admin import ForAdministrators, ReadOnly
from services.notify import keys, outbox
from services.notify.channels import secrets_of
from services.notify.models import Absence, Channel, Contact, Delivery, Destination, Template, masked

SECRET, FORGET = "secret-", "forget-"
"""Before the name of a secret in that of a form field."""


@admin.register(Destination)
class DestinationAdmin(ForAdministrators, admin.ModelAdmin):
    """Hosts that may be called."""

    list_display = ("host", "port", "internal", "note")


@admin.register(Channel)
class ChannelAdmin(ForAdministrators, admin.ModelAdmin):
    """Channels; of a secret only whether there is one. It is typed to be replaced, and never shown."""

    list_display = ("name", "kind", "enabled", "rests_until")
    readonly_fields = ("rests_until",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """With a field for every secret that the saved settings name."""
        fields: dict[str, forms.Field] = {}
        for name in secrets_of(obj) if obj is not None else ():
            fields[SECRET + name] = forms.CharField(
                label=_("密钥 %s") % name, required=False, max_length=1000, help_text=_state(obj, name),
                widget=forms.PasswordInput({"autocomplete": "new-password"}),
            )  # fmt: skip
            if keys.is_sealed(obj, name):
                fields[FORGET + name] = forms.BooleanField(label=_("删除密钥 %s") % name, required=False)
        return super().get_form(request, obj, change, **kwargs, form=type("ChannelForm", (forms.ModelForm,), fields))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save; the trail hears the names of the secrets that were typed."""
        given = form.cleaned_data
        typed = {name.removeprefix(SECRET): value for name, value in given.items() if name.startswith(SECRET) and value}
        typed |= {name.removeprefix(FORGET): "" for name, value in given.items() if name.startswith(FORGET) and value}
        keys.keep(obj, typed, secrets_of(obj))
        super().save_model(request, obj, form, change)


def _state(channel: Channel, name: str) -> str:
    """Whether a secret has a value, and where it comes from."""
    if keys.is_sealed(channel, name):
        return _("已设置，密封保存，不显示。填写则替换，留空则不变。")
    if keys.is_set(channel, name):
        return _("已由环境变量 %s 设置；在此填写则优先于它。") % (keys.PREFIX + name)
    return _("未设置。")


@admin.register(Template)
class TemplateAdmin(ForAdministrators, admin.ModelAdmin):
    """Wordings."""

    list_display = ("key", "channel", "language", "subject")
    list_filter = ("channel", "language")


@admin.register(Absence)
class AbsenceAdmin(ForAdministrators, admin.ModelAdmin):
    """Who is off duty, and who stands in."""

    list_display = ("user", "since", "until", "deputy")


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
