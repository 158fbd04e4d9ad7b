"""The form of a data interface: its settings, and the table that says which of the other side's fields is what here."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from command_center.desk.forms import blanks
from ingest.feeds.trial import Trial
from ingest.files.matching import guess_fields, guess_place
from ingest.files.source import Source as Columns
from services.catalog.describe import Described
from services.catalog.layer import Tab, registry
from services.feeds import checks
from services.feeds.models import Source
from services.feeds.sources import EDITED
from services.telemetry.devices import measured_layers
from services.telemetry.models import Factor
from services.telemetry.units import UNITS

INPUT, SELECT = {"class": "form-control"}, {"class": "form-select"}
CODE = {**INPUT, "spellcheck": "false", "autocomplete": "off"}
SECONDS = (
    ("1", gettext_lazy("秒")),
    ("60", gettext_lazy("分钟")),
    ("3600", gettext_lazy("小时")),
    ("86400", gettext_lazy("天")),
)
STAMP = "%Y-%m-%dT%H:%M"
REFRESH = {"hx-post": "", "hx-vals": '{"part": "1"}', "hx-target": "#feed-fields", "hx-trigger": "change"}
"""The table of fields follows where the data go."""
SPARE = 3
"""Empty lines of a table of fields."""
MOST_LINES = 200

SECTIONS: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("", gettext_lazy("基本信息"), ("name", "note", "mode", "target", "layer", "tab", "policy", "stale_minutes")),
    ("if-pull", gettext_lazy("请求"), ("url", "method", "times", "timeout", "parameters", "headers", "body")),
    ("if-pull", gettext_lazy("接口授权"), (
        "auth", "auth_user", "auth_place", "auth_label", "secret", "sign_pattern", "sign_digest", "sign_user",
        "sign_time", "sign_moment", "sign_upper",
    )),
    ("", gettext_lazy("数据格式"), ("format", "list_path", "ok_path", "ok_value", "zone", "datum", "span", "spacing")),
    ("if-pull", gettext_lazy("增量与分页"), (
        "cursor", "cursor_path", "cursor_moment", "overlap", "begin_at", "paging", "page_first", "page_size",
        "next_path",
    )),
)  # fmt: skip
"""Class, title and fields; ``times`` is the rhythm with its unit."""

ONLY: dict[str, str] = {
    "layer": "if-written", "tab": "if-records", "datum": "if-features", "span": "if-readings",
    "spacing": "if-readings", "body": "if-post", "list_path": "if-document", "ok_path": "if-document",
    "ok_value": "if-document",
    "auth_user": "if-user", "auth_place": "if-named", "auth_label": "if-named", "secret": "if-auth",
    **dict.fromkeys(
        ("sign_pattern", "sign_digest", "sign_user", "sign_time", "sign_moment", "sign_upper"), "if-sign"
    ),
    "cursor_path": "if-cursor", "cursor_moment": "if-time", "overlap": "if-time", "begin_at": "if-time",
    "page_first": "if-page", "page_size": "if-paged", "next_path": "if-next",
}  # fmt: skip
"""Field → the class by which the style sheet hides it where it has no meaning."""

HELP = {
    "note": gettext_lazy("例如对方系统、联系人、接口文档编号。"),
    "url": gettext_lazy("主机须先登记为允许的外部主机；不跟随转向。"),
    "parameters": gettext_lazy("每行一个“名称=值”。变量：{since} {until} {day} {page} {offset} {size} {token}。"),
    "headers": gettext_lazy("每行一个“名称=值”，授权信息除外。"),
    "body": gettext_lazy("JSON，变量写在引号内。名称像密钥的值加密保存，显示为 ***；其他要保密的值写作 {secret:值}。"),
    "secret": gettext_lazy("加密保存，不再显示。"),
    "sign_pattern": gettext_lazy("变量：{user} {time} {nonce} {secret}，例如 {user}{time}{secret}。"),
    "list_path": gettext_lazy("用点分隔，例如 data.items；留空表示整个内容。"),
    "ok_path": gettext_lazy("对方以此说明成败，例如 code。"),
    "cursor_path": gettext_lazy("时间增量：数据行中的字段，留空为监测时间；位置增量：应答中的字段。"),
    "overlap": gettext_lazy("每次向前多取一段，补上迟到的数据；重复的不会重复写入。"),
    "begin_at": gettext_lazy("留空为一天前。"),
    "next_path": gettext_lazy("应答中下一页地址所在的字段，须在同一主机。"),
    "page_size": gettext_lazy("填入 {size}。"),
    "stale_minutes": gettext_lazy("0 为不告警。"),
    "spacing": gettext_lazy("对方两条数据的间隔，用于新监测点的完整率。"),
    "zone": gettext_lazy("对方时间未注明时区时按此理解。"),
}


class SourceForm(forms.ModelForm):
    """The settings; the secret is written, never shown."""

    layer = forms.ChoiceField(required=False, widget=forms.Select(SELECT))
    tab = forms.ChoiceField(required=False, widget=forms.Select(SELECT))
    times = forms.IntegerField(min_value=1, max_value=999_999, widget=forms.NumberInput(INPUT))
    each = forms.ChoiceField(choices=SECONDS, widget=forms.Select(SELECT))
    secret = forms.CharField(
        required=False, max_length=500, strip=False,
        widget=forms.PasswordInput({**INPUT, "autocomplete": "new-password"}),
    )  # fmt: skip
    begin_at = forms.DateTimeField(
        required=False, widget=forms.DateTimeInput({**INPUT, "type": "datetime-local"}, format=STAMP)
    )

    class Meta:
        model = Source
        fields = tuple(name for name in EDITED if name not in ("mapping", "every"))
        widgets = {
            **{name: forms.Textarea({**CODE, "rows": 3}) for name in ("parameters", "headers", "body")},
            "sign_upper": forms.CheckboxInput({"class": "form-check-input"}),
        }

    def __init__(self, data: QueryDict | None, instance: Source) -> None:
        initial = dict(zip(("times", "each"), _rhythm(instance.every), strict=True))
        super().__init__(data, instance=instance, initial=initial)
        layers = [(layer.key, layer.title) for layer in registry]
        self.fields["layer"].choices = [("", ""), *layers]  # type: ignore[attr-defined]
        chosen = registry.get((data or {}).get("layer", "") or instance.layer)
        tabs = [tab for tab in chosen.tabs if isinstance(tab, Tab)] if chosen is not None else []
        self.fields["tab"].choices = [("", ""), *((tab.key, tab.title) for tab in tabs)]  # type: ignore[attr-defined]
        blanks(self.fields)
        for name, label in (("layer", None), ("tab", None), ("times", "every"), ("secret", None), ("begin_at", None)):
            self.fields[name].label = Source._meta.get_field(label or name).verbose_name
        for name, field in self.fields.items():
            field.help_text = HELP.get(name, field.help_text)
            usual = SELECT if isinstance(field.widget, forms.Select) else INPUT
            field.widget.attrs.setdefault("class", usual["class"])
        for name in ("target", "layer", "tab"):
            self.fields[name].widget.attrs |= REFRESH
        self.has_secret = bool(instance.secret)

    def _post_clean(self) -> None:
        """Nothing: the action checks and writes the row, the form only reads what was sent."""

    def clean_layer(self) -> str:
        """A layer only for what goes into one."""
        return "" if self.cleaned_data.get("target") == Source.Target.READINGS else self.cleaned_data["layer"]

    def clean_tab(self) -> str:
        """A tab only for records."""
        return self.cleaned_data["tab"] if self.cleaned_data.get("target") == Source.Target.RECORDS else ""

    @property
    def sections(self) -> list[tuple[str, Any, list[Any]]]:
        """The sections with their fields, each with the class by which it is hidden."""
        return [(kind, title, [(self[name], ONLY.get(name, "")) for name in names]) for kind, title, names in SECTIONS]

    @property
    def values(self) -> dict[str, Any]:
        """What was sent and is right, by the names of the source's fields."""
        found = {name: value for name, value in self.cleaned_data.items() if name in EDITED}
        if {"times", "each"} <= set(self.cleaned_data):
            found["every"] = self.cleaned_data["times"] * int(self.cleaned_data["each"])
        return found

    @property
    def typed(self) -> str | None:
        """The secret that was typed; None where there was none."""
        return self.cleaned_data.get("secret") or None


class Line(NamedTuple):
    """One field of the other side in the table."""

    path: str
    sample: str
    use: str
    unit: str


def mapping_of(data: QueryDict, target: str) -> dict[str, Any]:
    """The mapping as the table was sent."""
    rows = list(zip(data.getlist("path"), data.getlist("use"), data.getlist("unit"), strict=False))[:MOST_LINES]
    used = [(path.strip()[:200], use, unit) for path, use, unit in rows if path.strip() and use]
    if target != Source.Target.READINGS:
        found: dict[str, Any] = {"fields": {use[2:]: path for path, use, _unit in used if use.startswith("f:")}}
        return found | {use[2:]: path for path, use, _unit in used if use in ("w:parent", "w:lon", "w:lat")}
    found = {use[2:]: path for path, use, _unit in used if use.startswith("w:")}
    factors = [[path, use[2:], unit] for path, use, unit in used if use.startswith("c:")]
    if found.get("factor"):
        names = zip(data.getlist("name"), data.getlist("code"), data.getlist("name_unit"), strict=False)
        factors = [[name.strip()[:100], code, unit] for name, code, unit in names if name.strip() and code]
    for name in ("station", "good"):
        if text := data.get(name, "").strip()[:100]:
            found[name] = text
    return found | {"factors": factors[:MOST_LINES]}


class Table:
    """The table of fields, as settled and as a trial found them."""

    def __init__(self, source: Source, trial: Trial | None) -> None:
        self.source, self.mapping = source, source.mapping or {}
        self.readings = source.target == Source.Target.READINGS
        self.tall = bool(self.mapping.get("factor"))
        samples = trial.fields if trial is not None else {}
        uses = self._uses() or (self._guessed(list(samples)) if samples else {})
        self.guessed = bool(samples) and not self._uses() and bool(uses)
        paths = [*uses, *(path for path in samples if path not in uses)]
        self.lines = [Line(path, _short(samples.get(path)), *uses.get(path, ("", ""))) for path in paths]
        self.lines += [Line("", "", "", "")] * SPARE
        known = [(name, code, unit) for name, code, unit in self.mapping.get("factors") or []] if self.tall else []
        fresh = [name for name in (trial.names if trial is not None else []) if name not in {n for n, _c, _u in known}]
        self.names = [*known, *((name, "", "") for name in fresh), *[("", "", "")] * SPARE]

    @property
    def choices(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """What a field can be, in groups."""
        if self.readings:
            plain = [
                ("w:device", _("监测点编号")), ("w:time", _("监测时间")), ("w:flag", _("数据标记")),
                ("w:factor", _("因子名称（一行一值时）")), ("w:value", _("数值（一行一值时）")),
            ]  # fmt: skip
            return [(_("一般"), plain), (_("监测因子"), [(f"c:{code}", label) for code, label in self.factors])]
        fields = [(f"f:{field.name}", _titled(field)) for field in checks.fillable(self.source)]
        plain = [("w:parent", _("所属要素的编号"))] if self.source.target == Source.Target.RECORDS else []
        layer = checks.layer_of(self.source)
        if layer is not None and not plain and layer.owns_geometry and layer.geometry_type == "point":
            plain = [("w:lon", _("经度")), ("w:lat", _("纬度"))]
        return [(_("一般"), plain), (_("字段"), fields)]

    @property
    def factors(self) -> list[tuple[str, str]]:
        """Factor codes with names, those that layers show first."""
        shown = {getattr(f, "factor", "") for layer in measured_layers() for f in layer.model._meta.concrete_fields}
        rows = sorted(Factor.objects.all(), key=lambda row: (row.code not in shown, row.code))
        return [(row.code, f"{row} {row.code}") for row in rows]

    @property
    def units(self) -> list[str]:
        """The units in which something can be sent."""
        return list(UNITS)

    def _uses(self) -> dict[str, tuple[str, str]]:
        """Path → what it is, and its unit."""
        plain = ("device", "time", "flag", "factor", "value", "parent", "lon", "lat")
        found = {self.mapping[name]: (f"w:{name}", "") for name in plain if self.mapping.get(name)}
        if self.readings and not self.tall:
            found |= {path: (f"c:{code}", unit) for path, code, unit in self.mapping.get("factors") or []}
        if not self.readings:
            found |= {path: (f"f:{name}", "") for name, path in (self.mapping.get("fields") or {}).items()}
        return found

    def _guessed(self, paths: Sequence[str]) -> dict[str, tuple[str, str]]:
        """A proposal from the names of the fields, for a person to check."""
        if self.readings:
            known = {name.lower(): code for code, label in self.factors for name in (code, label.rpartition(" ")[0])}
            return {path: (f"c:{known[path.lower()]}", "") for path in paths if path.lower() in known}
        fields = checks.fillable(self.source)
        found = {m.column: (f"f:{m.field.name}", "") for m in guess_fields(fields, paths) if m.column}
        layer, place = checks.layer_of(self.source), guess_place(Columns("", tuple(paths)))
        if layer is not None and layer.owns_geometry and place.kind == "point" and self.source.target != "records":
            found |= {path: (f"w:{name}", "") for path, name in zip(place.columns, ("lon", "lat"), strict=True)}
        return found


def _titled(field: Described) -> str:
    """A field with its unit, starred where it must be there."""
    unit = f" ({field.unit})" if field.unit else ""
    return f"{field.label}{unit}{' *' if field.required else ''}"


def _rhythm(seconds: int) -> tuple[int, str]:
    """A number of seconds in the largest unit that makes it whole."""
    unit = next(size for size in (86_400, 3_600, 60, 1) if seconds % size == 0)
    return seconds // unit, str(unit)


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
