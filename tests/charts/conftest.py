"""The fixtures of reports: features with devices that sent days."""

from tests.reports.conftest import monitor, plant

__all__ = ["monitor", "plant"]
