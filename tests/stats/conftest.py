"""Sites with what hangs at them, and the monitors that send hours."""

from collections.abc import Callable
from typing import Any

import pytest

from layers.projects.models import Project
from services.access.principal import Principal
from services.stats.figures import Figure
from services.stats.frames import frame
from services.stats.periods import statistics
from services.stats.scopes import Asked, scope
from tests.conftest import HOME
from tests.reports.conftest import monitor  # noqa: F401


@pytest.fixture
def site(db: None) -> Callable[..., Project]:
    """``site("A")`` → a project at home, elsewhere where ``region_id`` says so."""

    def make(code: str, **values: Any) -> Project:
        usual = {"code": f"ST-{code}", "name": f"统计工地{code}", "region_id": HOME}
        return Project.objects.create(**{**usual, **values})

    return make


def figures(
    principal: Principal, kind: str = "month", day: Any = None, until: Any = None, today: Any = None, **of: Any
) -> dict[str, Figure]:
    """The figures by key; ``of`` is a feature or a region."""
    place = scope(principal, str(of.get("feature") or ""), of.get("region") or "")
    made = statistics(Asked(principal, place, frame(kind, day, until, today)))
    return {figure.key: figure for figure in made.figures}
