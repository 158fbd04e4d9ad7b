"""Admin pages of deadlines and detectors; rules and limits have pages of their own on the desk."""

from django.contrib import admin

from services.admin.admin import ForAdministrators
from services.alarms.models import Deadline, Detector


@admin.register(Deadline)
class DeadlineAdmin(ForAdministrators, admin.ModelAdmin):
    """How long a step may take at a level, and who is told then."""

    list_display = ("level", "step", "minutes", "rule", "roles", "raise_to")
    list_filter = ("level", "step")
    list_select_related = ("rule",)


@admin.register(Detector)
class DetectorAdmin(ForAdministrators, admin.ModelAdmin):
    """What of a factor is taken for a fault of the sensor."""

    list_display = ("factor", "valid_from", "flat_hours", "spike", "floor", "step", "citation")
    list_filter = ("factor",)
    list_select_related = ("factor",)
