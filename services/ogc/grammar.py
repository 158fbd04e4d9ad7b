"""pygeofilter's parsers, put off: pygeoapi imports them, and nothing of ours ever parses with them.

Our filters are read by ``services.ogc.cql2``. Building the grammar and loading a reader of dates in twenty languages
would cost every process more than half a second at its start.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

_PARSERS = ("pygeofilter.parsers.cql2_text", "pygeofilter.parsers.cql2_json")


def _later(name: str) -> Callable[[Any], Any]:
    def parse(given: Any) -> Any:
        """What pygeofilter makes of a filter, should anybody ask."""
        sys.modules.pop(name, None)
        return import_module(name).parse(given)

    return parse


for _name in _PARSERS:
    if _name not in sys.modules:
        _module = ModuleType(_name, __doc__)
        _module.parse = _later(_name)  # type: ignore[attr-defined]
        sys.modules[_name] = _module
