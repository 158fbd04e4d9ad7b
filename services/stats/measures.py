"""What is measured rather than counted row by row: an engine declares it in its ``counted`` module."""

from abc import ABC, abstractmethod

from services.stats.figures import Figure
from services.stats.scopes import Asked


class Measure(ABC):
    """Figures of one engine over a scope and a period, in queries whose number does not depend on how much there is."""

    @abstractmethod
    def figures(self, asked: Asked) -> list[Figure]:
        """One for each thing measured, within the rights of whoever asks; none of what nobody measured."""


MEASURES: list[Measure] = []


def register(declaration: type[Measure]) -> type[Measure]:
    """Class decorator of a declaration."""
    MEASURES.append(declaration())
    return declaration
