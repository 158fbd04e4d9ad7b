"""Handling by level on the desk: one card a level, with who is told, who gets it, until when, and the way up."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from command_center.desk.forms import blanks
from services.access.errors import Invalid, NotFound
from services.accounts.roles import Role
from services.alarms import governing, listing, tiers
from services.alarms.models import Deadline, Level, Rule, Tier

INPUT, SELECT, BOX = {"class": "form-control"}, {"class": "form-select"}, {"class": "form-check-input"}
ROLES = [choice for choice in Role.choices if choice[0] != Role.PUBLIC]


def _roles(label: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, choices=ROLES, required=False, widget=forms.CheckboxSelectMultiple(BOX)
    )


class TierForm(forms.ModelForm):
    """What happens by itself at a level."""

    roles = _roles(gettext_lazy("另行通知角色"))
    assign_role = forms.ChoiceField(
        label=gettext_lazy("自动指派给"), choices=[("", ""), *ROLES], required=False, widget=forms.Select(SELECT)
    )

    class Meta:
        model = Tier
        fields = ("roles", "assign_role", "close_minutes")
        widgets = {"close_minutes": forms.NumberInput({**INPUT, "min": 10})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        blanks(self.fields, assign_role=_("由人指派"))


class DeadlineForm(forms.ModelForm):
    """Until when a step is to be done, and who is told when it is not."""

    roles = _roles(gettext_lazy("超期通知角色"))

    class Meta:
        model = Deadline
        fields = ("level", "step", "minutes", "roles", "raise_to")
        widgets = {
            **dict.fromkeys(("level", "step", "raise_to"), forms.Select(SELECT)),
            "minutes": forms.NumberInput({**INPUT, "min": 1}),
        }

    def __init__(self, *args: Any, level: str = "", may: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.disabled = not may
        if level:
            del self.fields["level"]
            self.instance.level = level
        blanks(self.fields, raise_to=_("不升级"), step=_("请选择"), level=_("请选择"))


class DeadlineRows(forms.BaseModelFormSet):
    """Rows of deadlines, each with a box by which it goes."""

    deletion_widget = forms.CheckboxInput(BOX)


Deadlines = forms.modelformset_factory(
    Deadline, DeadlineForm, formset=DeadlineRows, extra=1, can_delete=True, max_num=12
)
"""The deadlines of a level, or of a rule, with an empty row for one more."""


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """Every level with what happens by itself, and how many alarms of it wait."""
    return render(request, "desk/tiers.html", _context(request))


@require_POST
@signed_in
def save(request: HttpRequest, level: str) -> HttpResponse:
    """Write one level; what is wrong is shown in its card."""
    tier = Tier.objects.filter(level=level).first()
    if tier is None:
        raise NotFound(_("没有这个级别。"))
    form, rows = _forms(tier, visitor(request).is_admin, request.POST)
    if form.is_valid() and rows.is_valid():
        changed = rows.save(commit=False)
        try:
            tiers.save(visitor(request), form.save(commit=False), changed, rows.deleted_objects)
        except Invalid as error:
            form.add_error(None, [error.message])
        else:
            messages.success(request, _("已保存，对之后的告警生效。"))
            return HttpResponseRedirect(f"/desk/tiers#{level}")
    return render(request, "desk/tiers.html", _context(request, {level: (form, rows)}), status=400)


@require_POST
@signed_in
def own(request: HttpRequest, pk: int) -> HttpResponse:
    """Write the deadlines of one rule."""
    principal = visitor(request)
    rule = governing.fetch(principal, pk)
    rows = own_deadlines(rule, True, request.POST)
    if rows.is_valid():
        changed = rows.save(commit=False)
        try:
            tiers.save_own(principal, rule, changed, rows.deleted_objects)
        except Invalid as error:
            messages.error(request, error.message)
        else:
            messages.success(request, _("已保存，对之后的告警生效。"))
    else:
        messages.error(request, _("填写的内容有误。"))
    return HttpResponseRedirect(f"/desk/rules/{pk}#deadlines")


def own_deadlines(rule: Rule, may: bool, data: Any = None) -> Any:
    """The rows of a rule's own deadlines."""
    kept = Deadline.objects.filter(rule=rule)
    return Deadlines(data, queryset=kept, prefix="deadlines", form_kwargs={"may": may})


def _forms(tier: Tier, may: bool, data: Any = None) -> tuple[TierForm, Any]:
    rows = Deadlines(
        data, queryset=Deadline.objects.filter(rule=None, level=tier.level), prefix=f"{tier.level}-deadlines",
        form_kwargs={"level": tier.level, "may": may},
    )  # fmt: skip
    return TierForm(data, instance=tier, prefix=tier.level), rows


def _context(request: HttpRequest, sent: dict[str, Any] | None = None) -> dict[str, Any]:
    principal = visitor(request)
    waiting = listing.undone(principal)
    lines = [
        (tier, waiting[tier.level], *((sent or {}).get(tier.level) or _forms(tier, principal.is_admin)))
        for tier in tiers.tiers()
    ]
    rules = governing.rules(principal)
    by_level = {level: sum(rule.level == level and rule.enabled for rule in rules) for level in Level.values}
    return {"lines": [(*line, by_level[line[0].level]) for line in lines], "may": principal.is_admin}
