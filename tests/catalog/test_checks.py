"""Wrong declarations are refused at start-up, with the valid names."""

from typing import Any

import pytest

from layers.projects.models import Permit, Project
from services.access import checks as access_checks
from services.catalog import checks
from services.catalog.layer import Layer, Registry, Scope, Tab, Topic
from styles import Icon


def findings(**options: Any) -> dict[int, str]:
    """What the checks say of a declaration that is right but for these options."""
    right = {"__doc__": "Projects.", "__module__": __name__, "model": Project, "style": Icon("pin"), "group": "x"}
    layer = type("Wrong", (Layer,), right | options)()
    return dict([*checks._findings(layer), *access_checks._findings(layer)])


def test_a_right_declaration_has_no_findings() -> None:
    assert findings() == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": str}, "must be a Feature"),
        ({"colour": "red"}, "unknown option 'colour'; the options are: model, geom"),
        ({"__doc__": ""}, "a docstring is missing"),
        ({"panel": ("nmae",)}, "Project has no field 'nmae'; it has:"),
        ({"columns": ("owner__nmae",)}, "Enterprise has no field 'nmae'"),
        ({"scope": Scope(region="place")}, "scope.region: Project has no field 'place'"),
        ({"geom": "name"}, "geom='name' is not a geometry"),
        ({"style": Icon("pin", label="titel")}, "style: no field 'titel'; the fields are:"),
        ({"style": None}, "style is missing"),
        ({"tabs": (Topic("a", "A"), Topic("a", "B"))}, "two tabs are called 'a'"),
        ({"tabs": (Tab(Permit, ("nummer",)),)}, "Permit has no field 'nummer'"),
        ({"grants": {"boss": "view"}}, "no role 'boss'; the roles are: admin"),
        ({"grants": {"supervisor": "view fly"}}, "no action 'fly'; the actions are: view"),
        ({"grants": {"supervisor": "change"}}, "may change but not view"),
        ({"private": ("name",)}, "private field 'name' may not be searched"),
    ],
)
def test_a_wrong_declaration_is_named_with_what_is_valid(options: dict[str, Any], words: str) -> None:
    assert any(words in message for message in findings(**options).values()), findings(**options)


def test_a_record_of_another_feature_is_refused() -> None:
    from layers.enterprises.models import Enterprise

    messages = findings(model=Enterprise, tabs=(Tab(Permit, ("number",)),))
    assert "must name its foreign key to Enterprise" in messages[8]


def test_two_layers_of_one_name_are_refused() -> None:
    registry = Registry()
    registry.register(type("Things", (Layer,), {"__module__": "a", "model": Project}))
    with pytest.raises(ValueError, match="two layers are called 'things'"):
        registry.register(type("Things", (Layer,), {"__module__": "b", "model": Project}))
