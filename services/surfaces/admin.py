"""Admin pages of surfaces: which there are, with their parameters and what weighs on risk; and the runs, to be read."""

from django.contrib import admin

from services.admin.admin import ForAdministrators, ReadOnly
from services.surfaces.models import Run, Source, Surface


class SourceInline(ForAdministrators, admin.TabularInline):
    """What weighs on a risk surface."""

    model = Source
    extra = 0


@admin.register(Surface)
class SurfaceAdmin(ForAdministrators, admin.ModelAdmin):
    """Surfaces; a change holds for hours computed from then on."""

    list_display = ("key", "name", "kind", "factor", "power", "most", "least", "cell_m", "active")
    inlines = (SourceInline,)


@admin.register(Run)
class RunAdmin(ReadOnly, admin.ModelAdmin):
    """Runs with their figures."""

    list_display = ("surface", "region", "at", "state", "n_used", "n_stations", "rmse", "took_ms", "revision")
    list_filter = ("surface", "state")
    list_select_related = ("surface", "region")
    exclude = ("values",)
