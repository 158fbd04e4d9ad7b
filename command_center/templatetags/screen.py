"""Tags that every screen uses: built assets, icons, the theme's colours, a layer's pictogram."""

import json
import re
from datetime import timedelta
from functools import cache
from typing import Any

import orjson
from django import template
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext

from services.catalog.layer import Layer
from services.ogc.styles import legend
from styles import DESK_DARK, DESK_LIGHT, Fill, Icon, Theme
from styles.pictograms import names, strokes

register = template.Library()
PLAIN = {"point": "map-pin", "line": "route", "polygon": "polygon", "any": "map-2"}


def theme_named(name: str) -> Theme:
    """The desk's theme for a cookie value: ``dark``, else light."""
    return DESK_DARK if name == "dark" else DESK_LIGHT


@cache
def manifest() -> dict[str, Any]:
    """What Vite built, by source file."""
    path = settings.FRONTEND / "manifest.json"
    if not path.is_file():
        raise ImproperlyConfigured("The front end is not built: run `npm ci && npm run build`.")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@register.simple_tag
def asset(entry: str) -> SafeString:
    """Style sheets and script of an entry, by its name: ``{% asset "desk.ts" %}``."""
    built = manifest()[f"command_center/frontend/{entry}"]
    sheets = format_html_join("\n", '<link rel="stylesheet" href="{}">', ((static(f),) for f in built.get("css", ())))
    return sheets + format_html('\n<script type="module" src="{}"></script>', static(built["file"]))


@register.simple_tag
@cache
def icon(name: str, classes: str = "") -> SafeString:
    """One of the Tabler icons listed in ``frontend/icons.json``."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>', classes, static("icons.svg"), name
    )


@register.simple_tag
@cache
def pictogram(layer: Layer, classes: str = "") -> SafeString:
    """A layer's pictogram in the colour of the text: the one named after its model, else its style's first."""
    symbol = layer.style.classes()[0].symbol
    if isinstance(symbol, Fill) and symbol.mark:
        symbol = symbol.mark
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", layer.model.__name__).lower()
    if name not in names():
        if not isinstance(symbol, Icon):
            return icon(PLAIN[layer.geometry_type], classes)
        name = symbol.name
    paths = "".join(
        f'<path d="{s.d}" fill="currentColor" fill-rule="evenodd"/>'
        if s.width is None
        else f'<path d="{s.d}" fill="none" stroke="currentColor" stroke-width="{s.width:g}"/>'
        for s in strokes(name)
    )
    return format_html(
        '<svg class="icon pictogram {}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>',
        classes, mark_safe(paths),  # noqa: S308 - our own files
    )  # fmt: skip


@register.simple_tag(takes_context=True)
def switch(context: template.RequestContext, layer: Layer, opened: bool = False) -> SafeString:
    """A layer's line in the layer control, with its legend."""
    dark = theme_named(context["request"].COOKIES.get("theme", "")) is DESK_DARK
    return _switch(layer, dark, get_language() or "", opened)


@cache
def _switch(layer: Layer, dark: bool, language: str, opened: bool) -> SafeString:
    """Kept by process: the same eighteen, with their legends, are on every page of the desk."""
    lines = [(mark_safe(line["svg"]), line["label"]) for line in legend(layer, DESK_DARK if dark else DESK_LIGHT)]  # noqa: S308
    return render_to_string("desk/switch.html", {"layer": layer, "opened": opened, "legend": lines})


@register.simple_tag(takes_context=True)
def colours(context: template.RequestContext) -> SafeString:
    """The colours of the current theme as custom properties, so that page and map agree."""
    theme = theme_named(context["request"].COOKIES.get("theme", ""))
    names = ("background", "land", "surface", "text", "muted", "accent")
    parts = [f"--z-{name}:{getattr(theme, name)}" for name in names]
    parts += [f"--z-{name}:{theme.readable(color)}" for name, color in theme.status.items()]
    return mark_safe(f":root{{{';'.join(parts)}}}")  # noqa: S308 - our own constants


@register.filter
def item(mapping: Any, key: Any) -> Any:
    """The value of a mapping under a key, or an empty text."""
    return mapping.get(key, "") if mapping else ""


@register.filter
def item_at(some: Any, place: int) -> Any:
    """The item at a place of a list."""
    return some[place]


@register.filter
def total(numbers: Any) -> int:
    """The sum of some numbers."""
    return sum(numbers)


@register.filter
def translated(text: str) -> str:
    """A text of a row that came with the product, in the current language; another's own stays as it is."""
    return gettext(text) if text else ""


@register.filter
def kilometres(metres: float) -> str:
    """A distance in kilometres with one digit after the point."""
    return f"{metres / 1000:.1f}"


@register.filter
def percent(share: float) -> str:
    """A share as per cent with one digit after the point."""
    return f"{share:.1%}"


@register.filter
def json_text(value: Any) -> str:
    """A value as JSON, for an attribute of an element that a fragment may bring."""
    return orjson.dumps(value).decode()


@register.filter
def css_text(text: Any) -> SafeString:
    """A text within the quotes of a style sheet: whatever is no letter or digit by its code."""
    plain = "".join(c if c.isalnum() and c.isascii() else f"\\{ord(c):06x}" for c in str(text))
    return mark_safe(plain)  # noqa: S308 - letters, digits and codes alone


@register.filter
def unlocalized(number: int) -> str:
    """A number without thousands separators: a code, not an amount."""
    return str(number)


@register.filter
def span(length: timedelta) -> str:
    """A length of time in hours and minutes, in seconds where it is less than a minute."""
    seconds = round(length.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
