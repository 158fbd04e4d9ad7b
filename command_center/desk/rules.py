"""Rules of alarms on the desk: the list, the form with its conditions checked, the dry run, the switch."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST

from command_center.desk.doors import region_names, signed_in, visitor
from command_center.desk.fencing import DAYS
from command_center.desk.forms import blanks
from command_center.desk.tiers import own_deadlines
from services.access import gate
from services.access.errors import Invalid, Refused
from services.access.principal import Principal
from services.accounts.models import User
from services.accounts.roles import Role
from services.alarms import actions, governing, listing
from services.alarms.conditions import VARIABLES
from services.alarms.models import Deadline, Rule
from services.audit.models import Entry
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.limits.models import Limit

INPUT, SELECT, CODE = {"class": "form-control"}, {"class": "form-select"}, {"class": "form-control code"}
SECTIONS = (
    (pgettext_lazy("rule", "对象"), ("name", "kind", "layer", "region", "codes", "factor", "span", "window")),
    (gettext_lazy("限值"), ("standard", "minutes", "grade", "stage", "threshold", "downward")),
    (gettext_lazy("条件"), ("condition", "clear", "for_minutes", "n_least", "clear_minutes")),
    (gettext_lazy("级别"), ("level", "red_when", "orange_when", "yellow_when")),
    (gettext_lazy("时间"), ("weekdays", "period", "valid_from", "valid_to")),
    (gettext_lazy("通知"), ("roles", "names", "template", "citation", "advice")),
)
MODULE_SECTIONS = (
    (pgettext_lazy("rule", "对象"), ("name", "region", "codes")),
    (gettext_lazy("级别"), ("level", "advice")),
    (gettext_lazy("时间"), ("weekdays", "period", "valid_from", "valid_to")),
    (gettext_lazy("通知"), ("roles", "names", "template", "citation")),
)
"""Of a warning: when it is raised, its module says."""
MOST_FEATURES = 500
CHANGES = 20


class Weekdays(forms.CheckboxSelectMultiple):
    """The days of a week as boxes of a text of digits: 1 is Monday."""

    def format_value(self, value: Any) -> list[str]:
        return list(value or "")

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        """The digits, of one box each or sent as a whole."""
        return "".join(sorted(set("".join(super().value_from_datadict(data, files, name) or []))))


class RuleForm(forms.ModelForm):
    """A rule; features are named by their codes, people by their user names."""

    layer = forms.ChoiceField(label=gettext_lazy("图层"), widget=forms.Select(SELECT))
    codes = forms.CharField(
        label=gettext_lazy("指定要素"),
        required=False,
        widget=forms.Textarea({**INPUT, "rows": 2}),
        help_text=gettext_lazy("编号，以逗号或换行分隔；留空为全部要素。"),
    )
    names = forms.CharField(
        label=gettext_lazy("通知人员"),
        required=False,
        widget=forms.TextInput(INPUT),
        help_text=gettext_lazy("用户名，以逗号分隔。"),
    )
    roles = forms.MultipleChoiceField(
        label=gettext_lazy("通知角色"),
        choices=[c for c in Role.choices if c[0] != Role.PUBLIC],
        required=False,
        widget=forms.CheckboxSelectMultiple({"class": "form-check-input"}),
    )
    standard = forms.ChoiceField(label=gettext_lazy("限值标准"), required=False, widget=forms.Select(SELECT))

    class Meta:
        model = Rule
        fields = (
            "name",
            "kind",
            "layer",
            "region",
            "factor",
            "span",
            "window",
            "standard",
            "minutes",
            "grade",
            "stage",
            "threshold",
            "downward",
            "condition",
            "clear",
            "for_minutes",
            "n_least",
            "clear_minutes",
            "level",
            "red_when",
            "orange_when",
            "yellow_when",
            "period",
            "weekdays",
            "valid_from",
            "valid_to",
            "roles",
            "template",
            "citation",
            "advice",
        )
        widgets = {
            **dict.fromkeys(
                ("name", "region", "grade", "stage", "template", "citation", "advice"),
                forms.TextInput(INPUT),
            ),
            **dict.fromkeys(("condition", "clear", "red_when", "orange_when", "yellow_when"), forms.TextInput(CODE)),
            **dict.fromkeys(("kind", "factor", "span", "level", "period"), forms.Select(SELECT)),
            **dict.fromkeys(
                ("window", "minutes", "threshold", "for_minutes", "n_least", "clear_minutes"), forms.NumberInput(INPUT)
            ),
            **dict.fromkeys(("valid_from", "valid_to"), forms.DateInput({**INPUT, "type": "date"}, "%Y-%m-%d")),
            "downward": forms.CheckboxInput({"class": "form-check-input"}),
            "weekdays": Weekdays({"class": "form-check-input"}, DAYS),
        }  # fmt: skip
        help_texts = {"weekdays": ""}

    def __init__(self, *args: Any, principal: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.kind == Rule.Kind.MODULE:
            self._only(MODULE_SECTIONS)
        else:
            kinds = [choice for choice in Rule.Kind.choices if choice[0] != Rule.Kind.MODULE]
            self.fields["kind"].choices = kinds  # type: ignore[attr-defined]
            self._choices(principal)
        blanks(self.fields, period=_("不限"))
        if self.instance.features:
            found = FeatureIndex.objects.filter(pk__in=self.instance.features).values_list("code", flat=True)
            self.initial["codes"] = ", ".join(found)
        if self.instance.pk:
            self.initial["names"] = ", ".join(self.instance.users.values_list("username", flat=True))

    def _only(self, sections: Any) -> None:
        """Leave the fields of these sections: of a warning the module itself says what, where and when."""
        wanted = [name for _title, names in sections for name in names]
        if not self.instance.layer:
            wanted = [name for name in wanted if name not in ("region", "codes")]
        self.fields = {name: self.fields[name] for name in wanted}

    def _choices(self, principal: Principal) -> None:
        layers = governing.layers(principal)
        kept = registry.get(self.instance.layer) if self.instance.pk else None
        self.fields["layer"].choices = [(l.key, l.title) for l in dict.fromkeys([*([kept] if kept else []), *layers])]  # type: ignore[attr-defined]  # noqa: E741
        standards = Limit.objects.values_list("standard", flat=True).distinct().order_by("standard")
        self.fields["standard"].choices = [("", ""), *((s, s) for s in standards)]  # type: ignore[attr-defined]
        blanks(self.fields, standard=_("不引用标准"))

    def sections(self) -> list[tuple[Any, list[Any]]]:
        """The fields as they stand together."""
        sections = MODULE_SECTIONS if self.instance.kind == Rule.Kind.MODULE else SECTIONS
        return [(title, [self[name] for name in names if name in self.fields]) for title, names in sections]

    def clean_codes(self) -> list[UUID]:
        """The features with these codes."""
        codes = list(dict.fromkeys(self.cleaned_data["codes"].replace("，", ",").replace("\n", ",").split(",")))
        codes = [code.strip() for code in codes if code.strip()]
        if len(codes) > MOST_FEATURES:
            raise forms.ValidationError(_("最多指定500个要素。"))
        layer = self.cleaned_data.get("layer", self.instance.layer)
        rows = FeatureIndex.objects.filter(layer=layer, code__in=codes)
        known = dict(rows.values_list("code", "pk"))
        if missing := [code for code in codes if code not in known]:
            raise forms.ValidationError(_("没有编号为%s的要素。") % ", ".join(missing[:5]))
        return [known[code] for code in codes]

    def clean_names(self) -> list[User]:
        """The people with these user names."""
        names = [n.strip() for n in self.cleaned_data["names"].replace("，", ",").split(",") if n.strip()]
        known = {user.username: user for user in User.objects.filter(username__in=names, is_active=True)}
        if missing := [name for name in names if name not in known]:
            raise forms.ValidationError(_("没有用户%s。") % ", ".join(missing[:5]))
        return [known[name] for name in dict.fromkeys(names)]

    def rule(self) -> Rule:
        """The rule as the form says it, not saved."""
        self.instance.features = self.cleaned_data.get("codes", [])
        return self.instance


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The rules of the layers that one may see, and the deadlines."""
    principal = visitor(request)
    since = timezone.localdate() - timedelta(days=governing.DRY_DAYS)
    return render(request, "desk/rules.html", _overview(principal, since))


@signed_in
def edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form of a rule; ``dry`` in what was sent tries it instead of saving it."""
    principal = visitor(request)
    stored = governing.fetch(principal, pk) if pk is not None else None
    if stored is None and not governing.layers(principal):
        raise Refused(_("需要对该图层在该行政区内全部要素的修改权限。"))
    may = stored is None or governing.may_write(principal, stored.layer, stored.region)
    rule = stored or Rule(valid_from=timezone.localdate(), roles=[Role.SUPERVISOR.value, Role.CONTRACTOR.value],
                          region=_home(principal))  # fmt: skip
    form = RuleForm(request.POST or None, instance=rule, principal=principal)
    dry: governing.DryRun | None = None
    status = 200
    if request.method == "POST":
        if not may:
            raise Refused(_("需要对该图层在该行政区内全部要素的修改权限。"))
        status = 400
        if form.is_valid():
            try:
                if "dry" in request.POST:
                    dry, status = governing.dry_run(principal, form.rule()), 200
                else:
                    saved = governing.save(principal, form.rule(), form.cleaned_data["names"])
                    messages.success(request, _("规则已保存，对之后的数据生效。"))
                    return HttpResponseRedirect(f"/desk/rules/{saved.pk}")
            except (Invalid, Refused) as error:
                _say(form, error)
    history = Entry.objects.filter(layer="rule", object_id=str(pk))[:CHANGES] if pk is not None else []
    context = {
        "form": form, "rule": stored, "module": rule.kind == Rule.Kind.MODULE, "may": may, "dry": dry,
        "rows": own_deadlines(stored, may) if stored else None,
        "variables": VARIABLES.items(),
        "area": gate.restrict_index(principal).filter(pk=stored.within).first() if stored and stored.within else None,
        "history": [(e, [(_label(n), pair) for n, pair in e.changes.items()]) for e in history],
    }  # fmt: skip
    return render(request, "desk/rule.html", context, status=status)


@require_POST
@signed_in
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch a rule on or off."""
    on = request.POST.get("on") == "1"
    governing.switch(visitor(request), pk, on)
    messages.success(request, _("规则已启用。") if on else _("规则已停用。"))
    return HttpResponseRedirect("/desk/rules")


def _overview(principal: Principal, since: date) -> dict[str, Any]:
    rules = governing.rules(principal)
    # As the list that the number opens counts them.
    rows = listing.Filters(begin=since).narrow(actions.episodes(principal)).filter(rule__in=rules)
    raised = dict(rows.values_list("rule").annotate(n=Count("pk")).order_by())
    titles = {layer.key: layer.title for layer in registry}
    lines = [
        (rule, titles.get(rule.layer, rule.layer), raised.get(rule.pk, 0),
         governing.may_write(principal, rule.layer, rule.region))
        for rule in rules
    ]  # fmt: skip
    return {
        "lines": lines, "may_add": bool(governing.layers(principal)), "days": governing.DRY_DAYS, "since": since,
        "regions": region_names({rule.region for rule in rules}),
        "deadlines": Deadline.objects.select_related("rule"), "roles": dict(Role.choices),
    }  # fmt: skip


def _say(form: RuleForm, error: Invalid | Refused) -> None:
    fields = error.fields if isinstance(error, Invalid) else {}
    for name, said in fields.items():
        form.add_error(name if name in form.fields else None, [str(each) for each in said])
    if not fields:
        form.add_error(None, error.message)


def _home(principal: Principal) -> str:
    """The region in which a new rule begins: one's own, where one has one."""
    prefix = next((h.region for h in principal.holdings if h.region), "")
    return prefix.ljust(6, "0") if prefix else ""


def _label(name: str) -> str:
    if name in ("users", "deadlines"):
        return _("通知人员") if name == "users" else _("处置期限")
    return str(Rule._meta.get_field(name.removesuffix("_id")).verbose_name)  # type: ignore[union-attr]
