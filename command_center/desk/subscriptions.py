"""Alarms for other systems on the desk, for administrators: the list, the page of one with its deliveries, its form."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from services.access.errors import Invalid
from services.access.principal import Principal
from services.accounts.models import User
from services.alarms.models import Act
from services.catalog.layer import registry
from services.subscriptions import actions
from services.subscriptions.models import Delivery, Subscription

PAGE = 30
INPUT, SELECT = {"class": "form-control"}, {"class": "form-select"}
PICKS = forms.CheckboxSelectMultiple({"class": "form-check-input"})
USUAL = [Act.Kind.RAISED, Act.Kind.WORSENED, Act.Kind.ENDED, Act.Kind.HANDLED, Act.Kind.CLOSED, Act.Kind.FALSE]
"""The acts that a new subscription has."""

STATES = {
    "ok": lambda: (_("正常"), "--z-ok"),
    "failing": lambda: (_("对方未接收"), "--danger"),
    "waiting": lambda: (_("等待首条告警"), "--z-warn"),
    "off": lambda: (_("未启用"), "--z-muted"),
}
"""State → words and colour."""


class SubscriptionForm(forms.ModelForm):
    """The settings; the account is named by its user name."""

    account = forms.CharField(max_length=150, widget=forms.TextInput({**INPUT, "autocomplete": "off"}))
    layers = forms.MultipleChoiceField(required=False, widget=PICKS)
    acts = forms.MultipleChoiceField(choices=Act.Kind.choices, required=False, widget=PICKS)

    class Meta:
        model = Subscription
        fields = ("name", "url", "account", "level", "language", "note", "acts", "layers")
        widgets = {
            "name": forms.TextInput(INPUT), "note": forms.TextInput(INPUT), "level": forms.Select(SELECT),
            "url": forms.URLInput({**INPUT, "spellcheck": "false", "autocomplete": "off"}),
            "language": forms.Select(SELECT),
        }  # fmt: skip

    def __init__(self, data: QueryDict | None, instance: Subscription) -> None:
        initial = {"account": instance.user.username} if instance.pk else {"acts": [str(kind) for kind in USUAL]}
        super().__init__(data, instance=instance, initial=initial)
        self.fields["layers"].choices = [(layer.key, layer.title) for layer in registry]  # type: ignore[attr-defined]
        for name, field in (("account", "user"), ("layers", "layers"), ("acts", "acts")):
            described = Subscription._meta.get_field(field)
            self.fields[name].label, self.fields[name].help_text = described.verbose_name, described.help_text

    def _post_clean(self) -> None:
        """Nothing: the action checks and writes the row, the form only reads what was sent."""

    def clean_account(self) -> str:
        """The name of an account that is on."""
        name: str = self.cleaned_data["account"]
        self.user = User.objects.filter(username=name, is_active=True).first()
        if self.user is None:
            raise forms.ValidationError(_("没有这个账号，或已停用。"))
        return name

    @property
    def values(self) -> dict[str, Any]:
        """What was sent, by the names of the subscription's fields."""
        found = {name: value for name, value in self.cleaned_data.items() if name != "account"}
        return found | {"user": self.user}


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """All subscriptions with how they are."""
    rows = list(actions.visible(_administrator(request)))
    counted = [row.state for row in rows]
    context = {
        "lines": [(row, STATES[row.state]()) for row in rows],
        "figures": [
            (_("全部订阅方"), len(rows), ""),
            (_("正常"), counted.count("ok"), "ok"),
            (_("对方未接收"), counted.count("failing"), "bad" if "failing" in counted else ""),
            (_("待送达"), sum(row.due for row in rows), ""),
        ],
        "now": timezone.now(),
    }
    return render(request, "desk/subscriptions.html", context)


@never_cache
@signed_in
def one(request: HttpRequest, pk: int, key: str = "", tried: tuple[bool, str] | None = None) -> HttpResponse:
    """A subscription: its state, what went out, what was done to it."""
    row = actions.fetch(_administrator(request), pk)
    rows = Delivery.objects.filter(subscription=row).select_related(
        "act", "act__episode__rule", "act__episode__feature"
    )
    chosen = request.GET.get("state", "")
    if chosen in Delivery.State.values:
        rows = rows.filter(state=chosen)
    context = {
        "row": row, "tone": STATES[row.state](), "key": key, "tried": tried, "chosen": chosen,
        "deliveries": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "tabs": [("", _("全部"), None), *((s.value, s.label, getattr(row, s, None)) for s in Delivery.State)],
        "lost": row.due + row.refused + row.expired,
        "layers": _("、").join(str(registry.by_key[name].title) for name in row.layers if name in registry.by_key),
        "acts": _("、").join(str(Act.Kind(name).label) for name in row.acts if name in Act.Kind.values),
        "changes": [(entry, _deed(entry.action)) for entry in actions.history(row)],
    }  # fmt: skip
    return render(request, "desk/subscription.html", context)


@never_cache
@signed_in
def edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form; POST saves, and shows a new one's signing key."""
    principal = _administrator(request)
    row = actions.fetch(principal, pk) if pk is not None else Subscription()
    form = SubscriptionForm(request.POST if request.method == "POST" else None, row)
    if request.method == "POST" and form.is_valid():
        try:
            saved, key = actions.save(principal, pk, form.values)
        except Invalid as error:
            for name, texts in error.fields.items():
                for text in texts:
                    form.add_error(name if name in form.fields else "account" if name == "user" else None, text)
        else:
            if key:
                return one(request, saved.pk, key=key)
            messages.success(request, _("设置已保存。"))
            return HttpResponseRedirect(reverse("desk-subscription", args=[saved.pk]))
    context = {"form": form, "row": row, "pk": pk, "destinations": "/admin/notify/destination/"}
    return render(request, "desk/subscription_form.html", context, status=422 if form.errors else 200)


@require_POST
@signed_in
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch one on or off."""
    actions.switch(_administrator(request), pk, request.POST.get("on") == "1")
    back = ("desk-subscriptions", []) if request.POST.get("next") == "list" else ("desk-subscription", [pk])
    return HttpResponseRedirect(reverse(back[0], args=back[1]))


@require_POST
@never_cache
@signed_in
def new_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a new signing key; it is on the page that answers and nowhere else."""
    return one(request, pk, key=actions.new_secret(_administrator(request), pk))


@require_POST
@never_cache
@signed_in
def trial(request: HttpRequest, pk: int) -> HttpResponse:
    """Send an event that tells nothing, and show what the other side said."""
    return one(request, pk, tried=actions.trial(_administrator(request), pk))


@require_POST
@signed_in
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """Send at once what waits, and once more what was not taken."""
    number = actions.again(_administrator(request), pk)
    messages.success(request, _("已安排推送 %(n)d 条。") % {"n": number})
    return HttpResponseRedirect(reverse("desk-subscription", args=[pk]))


@require_POST
@signed_in
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one away."""
    actions.delete(_administrator(request), pk)
    messages.success(request, _("已删除。"))
    return HttpResponseRedirect(reverse("desk-subscriptions"))


def _deed(action: str) -> str:
    known = {
        "create subscription": _("新建"), "change subscription": _("修改设置"),
        "switch subscription": _("启用或停用"), "new key of subscription": _("更换签名密钥"),
        "send subscription again": _("重新推送"), "gone subscription": _("对方不再接收，已停用"),
    }  # fmt: skip
    return known.get(action, action)


def _administrator(request: HttpRequest) -> Principal:
    principal = visitor(request)
    actions.require(principal)
    return principal
