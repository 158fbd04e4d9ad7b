"""Pages of the documentation that are generated: written, or checked to be fresh."""

from pathlib import Path

from django.core.management.base import CommandError


def write_or_check(path: Path, text: str, check: bool, command: str) -> None:
    """Write the page; with ``check`` raise CommandError where the page on disk differs."""
    if not check:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        raise CommandError(f"{path.name} is stale: run `python manage.py {command}` and commit it")
