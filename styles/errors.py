"""The errors of the symbology package."""


class StyleError(ValueError):
    """A style declaration cannot be drawn; the message names the declaration and the valid choices."""
