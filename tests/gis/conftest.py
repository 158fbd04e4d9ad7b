"""A point feature with every kind of column, and one that borrows its place, in tables of their own."""

from types import SimpleNamespace

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.test.utils import isolate_apps

from gis.fields import GeometryField, PointField

with isolate_apps("gis"):

    class Spot(models.Model):  # noqa: DJ008 - never shown
        """A point with one column of each kind."""

        id = models.UUIDField(primary_key=True)
        name = models.CharField(max_length=80, null=True)  # noqa: DJ001 - nulls are what is tested
        number = models.IntegerField(null=True)
        ratio = models.FloatField(null=True)
        money = models.DecimalField(max_digits=12, decimal_places=2, null=True)
        on = models.BooleanField(null=True)
        day = models.DateField(null=True)
        at = models.DateTimeField(null=True)
        data = models.JSONField(null=True)
        words = ArrayField(models.TextField(), null=True)
        geom = PointField(null=True)

        class Meta:
            app_label = "spatial"

    class Visit(models.Model):  # noqa: DJ008 - never shown
        """A row without a place of its own."""

        spot = models.ForeignKey(Spot, models.CASCADE, related_name="visits")
        note = models.TextField()

        class Meta:
            app_label = "spatial"

    class Shape(models.Model):  # noqa: DJ008 - never shown
        """A feature of any geometry."""

        name = models.TextField()
        geom = GeometryField(null=True)

        class Meta:
            app_label = "spatial"


@pytest.fixture
def tables(db: None) -> SimpleNamespace:
    """The three models, their tables made for one test."""
    with connection.schema_editor() as editor:
        for model in (Spot, Visit, Shape):
            editor.create_model(model)
    return SimpleNamespace(Spot=Spot, Visit=Visit, Shape=Shape)
