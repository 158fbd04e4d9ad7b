"""Matching text over the feature index: every word anywhere, read from pairs of characters."""

from django.db.models import Q

MOST_WORDS = 6


def holding(text: str) -> Q:
    """The index rows whose text holds every word of ``text``, whatever the case."""
    matching = Q()
    for word in text.upper().split()[:MOST_WORDS]:
        # The pairs find the rows by index; the text itself then tells whether they stand in this order.
        pairs = [word[n : n + 2] for n in range(len(word) - 1)] or [word]
        matching &= Q(grams__contains=pairs, text__contains=word)
    return matching
