"""``manage.py newdomain NAME``: the folder of a new domain, complete enough to pass every contract test."""

import keyword
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from string import Template
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from services.catalog.layer import registry

TEMPLATES = Path(__file__).parents[2] / "scaffold"


class Command(BaseCommand):
    """Write ``layers/NAME`` with a feature, two records, layer, seed, tests, migration and translations."""

    help = _("新建业务：在 layers/ 下生成可直接通过契约测试的文件夹，无需改动任何其他文件。")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help=_("英文复数小写下划线名，如 tower_cranes。"))
        parser.add_argument("--feature", help=_("要素类名，如 TowerCrane；默认由名称得出。"))
        parser.add_argument("--title", required=True, help=_("中文名称，如 塔吊。"))

    def handle(self, *args: Any, name: str, feature: str | None, title: str, **options: Any) -> None:
        words = name.split("_")
        plural = "".join(word.capitalize() for word in words)
        feature = feature or plural.removesuffix("s")
        refuse(name, feature, title)
        folder = settings.ROOT / "layers" / name
        values = {
            "name": name,
            "feature": feature,
            "plural": plural,
            "title": title,
            "singular_words": re.sub(r"(?<!^)(?=[A-Z])", " ", feature).capitalize(),
            "words": " ".join(words).capitalize(),
            "lower_words": " ".join(words),
            "field": re.sub(r"(?<!^)(?=[A-Z])", "_", feature).lower(),
        }
        try:
            for template in sorted(TEMPLATES.rglob("*.txt")):
                target = folder / template.relative_to(TEMPLATES).with_suffix("")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(Template(template.read_text("utf-8")).substitute(values), "utf-8")
            (folder / "migrations").mkdir()
            (folder / "migrations" / "__init__.py").touch()
            # Processes of their own: this one was started without the new domain.
            # First the lines are broken: with a long title they are too long to pass. Fixing may leave some to format.
            for work in (("format",), ("check", "--fix"), ("format",)):
                self.run(sys.executable, "-m", "ruff", *work, "--quiet", str(folder))
            for source in folder.glob("locale/*/LC_MESSAGES/django.po"):
                self.run("msgfmt", "--output-file", str(source.with_suffix(".mo")), str(source))
            self.run(sys.executable, "manage.py", "makemigrations", name)
            self.run(sys.executable, "manage.py", "check")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.stdout.write(_("已生成 %s，下一步见 docs/add-a-domain.md。") % folder.relative_to(settings.ROOT))

    def run(self, *command: str) -> None:
        """Run a program in the project's folder; CommandError with its words where it fails."""
        # The words of the command are ours; the name in it has passed `refuse`.
        try:
            done = subprocess.run(command, cwd=settings.ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        except FileNotFoundError as error:
            raise CommandError(_("缺少程序 %s：请先执行 make test 完成安装。") % command[0]) from error
        if done.returncode:
            raise CommandError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


def refuse(name: str, feature: str, title: str) -> None:
    """Raise CommandError for a name that cannot be a domain's, saying what would do."""
    if not re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", name) or not re.search(r"[^s]s$", name):
        raise CommandError(_("“%s”不行：应为英文复数、小写、以下划线连接，如 tower_cranes。") % name)
    if (settings.ROOT / "layers" / name).exists() or name in apps.app_configs or registry.get(name):
        raise CommandError(_("“%s”已存在，请换一个名称。") % name)
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", feature) or keyword.iskeyword(feature):
        raise CommandError(_("要素类名“%s”不行：应为首字母大写的英文单数，如 TowerCrane。") % feature)
    if any(layer.model.__name__ == feature for layer in registry):
        raise CommandError(_("要素类“%s”已存在，请换一个名称。") % feature)
    if not re.fullmatch(r"[一-鿿][一-鿿A-Za-z0-9（）]{0,29}", title):
        raise CommandError(_("名称“%s”不行：应以汉字开头，不超过三十个字，不含空格和标点。") % title)
