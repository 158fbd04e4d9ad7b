"""Forms made from what the models say: one field each, in sections, with units, help and errors beside them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from gis.errors import SpatialError
from gis.incoming import parse_geometry
from gis.models import Region
from services.access import actions
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.describe import Described, describe
from services.catalog.layer import Layer, Tab, registry
from services.catalog.models import Feature

PLACE = "place"
"""The form's name for the geometry, whatever the model calls it."""
READ_AT = "read_at"


class Reference(forms.Field):
    """The key of a row of another model, found by typing a part of its name."""

    def __init__(self, model: type[models.Model], **kwargs: Any) -> None:
        super().__init__(widget=forms.HiddenInput(), **kwargs)
        self.model = model
        layer = registry.of(model)
        self.choices_key = "regions" if model is Region else layer.key if layer else ""

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return self.model._meta.pk.to_python(value)  # type: ignore[union-attr]
        except Exception as error:
            raise forms.ValidationError(_("请从列表中选择。")) from error


class Place(forms.CharField):
    """A geometry as GeoJSON text, drawn on the map beside the form."""

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(widget=forms.HiddenInput(), **kwargs)
        self.kind = kind

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_geometry(text, kind=self.kind)
        except SpatialError as error:
            raise forms.ValidationError(str(error)) from error


class RowForm(forms.Form):
    """A form over described fields; ``sections`` says how they stand together."""

    described: Mapping[str, Described]

    def values(self, changed_only: bool = False) -> dict[str, Any]:
        """The cleaned values by the names that actions take."""
        names = self.changed_data if changed_only else list(self.fields)
        return {name: self.cleaned_data[name] for name in names if name not in (READ_AT, PLACE)}

    def refuse(self, error: Invalid) -> None:
        """Put the errors of an action beside the fields they name."""
        for name, messages in error.fields.items():
            for message in messages:
                self.add_error(name if name in self.fields else None, message)
        if not error.fields:
            self.add_error(None, error.message)

    def sections(self) -> Iterator[tuple[str, list["Line"]]]:
        """Titles with their lines, in a fixed order; empty sections are left out."""
        grouped: dict[str, list[Line]] = {}
        for name, described in self.described.items():
            grouped.setdefault(_section(described), []).append(Line(self, name, described))
        titles = {
            "main": _("基本信息"),
            "links": _("关联单位与对象"),
            "numbers": _("数量指标"),
            "dates": _("日期"),
            "text": _("说明"),
        }
        for key, title in titles.items():
            if key in grouped:
                yield title, grouped[key]


class Line:
    """A field as the template draws it."""

    def __init__(self, form: RowForm, name: str, described: Described) -> None:
        self.bound = form[name]
        self.unit, self.help, self.required = described.unit, described.help, form.fields[name].required
        self.reference = getattr(form.fields[name], "choices_key", "")
        self.wide = isinstance(described.field, models.TextField)
        self.shown = self._shown(described) if self.reference else ""

    def _shown(self, described: Described) -> str:
        """The name of the row that a reference points at."""
        value = self.bound.value()
        if value in (None, "") or described.related is None:
            return ""
        try:
            row = described.related._default_manager.filter(pk=value).first()
        except (ValueError, TypeError, forms.ValidationError):
            row = None
        return str(row) if row is not None else str(value)


def feature_form(principal: Principal, layer: Layer, feature: Feature | None = None, data: Any = None,
                 initial: Mapping[str, Any] | None = None) -> RowForm:  # fmt: skip
    """The form of a feature, new or to be changed."""
    writable = actions.writable(principal, layer)
    described = _usable(f for f in layer.fields if f.name in writable)
    start = dict(initial or {})
    fields: dict[str, forms.Field] = {name: _field(d) for name, d in described.items()}
    blanks(fields)
    if feature is not None:
        start |= {name: getattr(feature, d.field.attname) for name, d in described.items()}
        start[READ_AT] = feature.updated_at.isoformat()
        fields[READ_AT] = forms.CharField(required=False, widget=forms.HiddenInput())
    if actions.geometry_name(layer):
        field = layer.geometry_field
        fields[PLACE] = Place(field.geom_type, label=str(field.verbose_name), required=not field.null)
        shape = getattr(feature, layer.geom) if feature is not None else None
        if shape is not None:
            start[PLACE] = shape.geojson
    form_class = type("FeatureForm", (RowForm,), {**fields, "described": described})
    return form_class(data, initial=start)  # type: ignore[no-any-return]


def record_form(tab: Tab, data: Any = None) -> RowForm:
    """The form of a new record of a tab."""
    columns = (
        describe(tab.model, f.name) for f in tab.model._meta.concrete_fields if f.editable and f.name != tab.of
    )  # fmt: skip
    described = _usable(columns)
    fields = {name: _field(d) for name, d in described.items()}
    blanks(fields)
    return type("RecordForm", (RowForm,), {**fields, "described": described})(data)  # type: ignore[no-any-return]


def read_at(form: RowForm) -> datetime | None:
    """When the feature was read that the form shows."""
    return parse_datetime(form.data.get(READ_AT, ""))


def place_name(form: RowForm, layer: Layer) -> dict[str, Any]:
    """The geometry under the model's name, where it was drawn anew."""
    if PLACE not in form.fields or PLACE not in form.changed_data:
        return {}
    return {layer.geom: form.cleaned_data[PLACE]}


def _usable(described: Iterable[Described]) -> dict[str, Described]:
    """Fields a form can hold: a key must point at a region or at features of a layer."""
    return {
        d.name: d
        for d in described
        if d.editable and (d.related is None or d.related is Region or registry.of(d.related) is not None)
    }


def _section(described: Described) -> str:
    if described.related is not None and described.related is not Region:
        return "links"
    if isinstance(described.field, models.TextField) or described.schema["type"] == "object":
        return "text"
    if described.is_time:
        return "dates"
    return "numbers" if described.is_number and not described.choices else "main"


def blanks(fields: Mapping[str, forms.Field], **words: str) -> None:
    """Say what choosing nothing means in every list that allows it: 未选择, or the word given for the field."""
    for name, field in fields.items():
        if not isinstance(field, forms.ChoiceField):
            continue
        word = words.get(name, _("未选择"))
        if isinstance(field, forms.ModelChoiceField):
            if field.empty_label is not None:
                field.empty_label = word
        elif isinstance(field.widget, forms.Select):
            field.choices = [("", word) if value in ("", None) else (value, label) for value, label in field.choices]


def _field(described: Described) -> forms.Field:
    """The form field of a model field."""
    shared = {"label": described.label, "required": described.required}
    if described.related is not None:
        return Reference(described.related, **shared)
    field = described.field.formfield()
    assert field is not None, described.path
    field.required = described.required
    widget = field.widget
    widget.attrs["class"] = "form-select" if isinstance(widget, forms.Select) else "form-control"
    if isinstance(field, forms.BooleanField):
        widget.attrs["class"], field.required = "form-check-input", False
    elif isinstance(field, forms.DateTimeField):
        field.widget = forms.DateTimeInput({"type": "datetime-local", "class": "form-control"}, "%Y-%m-%dT%H:%M")
    elif isinstance(field, forms.DateField):
        field.widget = forms.DateInput({"type": "date", "class": "form-control"}, "%Y-%m-%d")
    elif isinstance(field, forms.IntegerField | forms.FloatField | forms.DecimalField):
        # Numbers travel unlocalized: thousands separators are for reading.
        field.localize = False
        widget.attrs["step"] = "1" if type(field) is forms.IntegerField else "any"
    if isinstance(widget, forms.Textarea):
        widget.attrs["rows"] = 4
    if described.field.has_default() and not described.field.null:
        field.initial = described.field.get_default()
    return field


def differences(layer: Layer, form: RowForm, stored: Feature) -> list[tuple[str, str, str]]:
    """What stands in the database beside what the form holds, where the two differ: for a conflict."""
    found = []
    for name, described in form.described.items():
        now, mine = getattr(stored, described.field.attname), form.cleaned_data.get(name)
        if now != mine and not (now in (None, "") and mine in (None, "")):
            shown = [str(getattr(stored, name) or "—") if described.related else described.display(now)]
            shown.append(Line(form, name, described).shown if described.related else described.display(mine))
            found.append((described.label, shown[0], shown[1]))
    return found


def point_text(longitude: str, latitude: str) -> str:
    """GeoJSON of a point given in an address, or an empty text."""
    try:
        return json.dumps({"type": "Point", "coordinates": [float(longitude), float(latitude)]})
    except ValueError:
        return ""
