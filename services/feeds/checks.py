"""Whether the settings of a source can work: each problem under the name of the field that has it."""

import json
import re
from collections import defaultdict
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.utils.translation import gettext as _

from services.catalog.describe import Described, published
from services.catalog.layer import Layer, Tab, registry
from services.catalog.sealed import CannotOpen
from services.feeds import bodies
from services.feeds.bodies import PLACES
from services.feeds.models import Source
from services.notify import outbound
from services.notify.errors import Refused
from services.telemetry.store import CODE
from services.telemetry.units import fits

Problems = dict[str, list[str]]

SIGN_PLACES = ("user", "time", "nonce", "secret")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,60}")
_PLACE = re.compile(r"\{([^{}]*)\}")
_TELLING = re.compile(r"passw|pwd|secret|token|cookie|(api|access)[-_]?key", re.IGNORECASE)
"""Names of headers and parameters whose values are secrets, unless they are places."""
_OURS = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "authorization"}


def problems(source: Source) -> Problems:
    """What is wrong; empty where the source can be switched on."""
    found: Problems = defaultdict(list)
    if source.zone not in available_timezones():
        found["zone"].append(_("没有这个时区，例如 Asia/Shanghai。"))
    if source.pulls:
        _address(source, found)
        _request(source, found)
        _authorisation(source, found)
        _steps(source, found)
    {"readings": _readings, "features": _features, "records": _records}[source.target](source, found)
    return dict(found)


def of_call(source: Source) -> Problems:
    """What is wrong with the address, the request and the authorisation: what a trial needs to be right."""
    found: Problems = defaultdict(list)
    for check in (_address, _request, _authorisation):
        check(source, found)
    return dict(found)


def lines(text: str) -> dict[str, str]:
    """``name=value`` lines as a mapping; raises ValueError with the first line that is none."""
    found = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, sep, value = line.partition("=")
        if not sep or not name.strip():
            raise ValueError(line[:60])
        found[name.strip()] = value.strip()
    return found


def layer_of(source: Source) -> Layer | None:
    """The layer that features and records go into."""
    return registry.get(source.layer)


def tab_of(source: Source) -> Tab | None:
    """The records' tab."""
    layer = layer_of(source)
    tab = layer.tab(source.tab) if layer is not None else None
    return tab if isinstance(tab, Tab) else None


def fillable(source: Source) -> list[Described]:
    """The fields that a feature or a record of this source may fill."""
    tab, layer = tab_of(source), layer_of(source)
    if source.target == Source.Target.RECORDS:
        return [f for f in published(tab.model) if f.editable and f.name != tab.of] if tab is not None else []
    return [f for f in layer.fields if f.editable] if layer is not None else []


def natural_key(tab: Tab) -> tuple[str, ...]:
    """The fields that tell the records of one feature apart: of the model's own unique constraint; empty for none."""
    for constraint in tab.model._meta.constraints:
        fields = tuple(getattr(constraint, "fields", ()))
        if tab.of in fields and len(fields) > 1:
            return tuple(name for name in fields if name != tab.of)
    return ()


def _address(source: Source, found: Problems) -> None:
    if not source.url:
        found["url"].append(_("请填写接口地址。"))
        return
    try:
        host, port, path = outbound.split(source.url, plain=True)
    except Refused:
        found["url"].append(_("应为 http 或 https 地址，不含用户名和空格。"))
        return
    if "?" in path or "#" in source.url:
        found["url"].append(_("查询参数请写在“查询参数”中，地址中不要带“?”和“#”。"))
    try:
        destination = outbound.listed(host, port)
    except Refused:
        found["url"].append(_("%(host)s 不在允许的外部主机之列。请先在系统管理中登记。") % {"host": f"{host}:{port}"})
        return
    if urlsplit(source.url).scheme == "http" and not destination.internal:
        found["url"].append(_("http 只能用于标明“位于内网”的主机，其他主机请用 https。"))


def _request(source: Source, found: Problems) -> None:
    for name in ("parameters", "headers"):
        try:
            pairs = lines(getattr(source, name))
        except ValueError as error:
            found[name].append(_("每行写一个“名称=值”，此行不是：%s") % error)
            continue
        for title, value in pairs.items():
            if name == "headers" and (not HEADER.fullmatch(title) or not value.isprintable() or not value.isascii()):
                found[name].append(_("请求头“%s”含有不允许的字符。") % title[:60])
            if name == "headers" and title.lower() in _OURS:
                found[name].append(_("请求头“%s”由平台填写。") % title[:60])
            if _TELLING.search(title) and value and not _PLACE.search(value):
                found[name].append(
                    _("“%s”像是密钥，不能明文保存。请选授权方式“接口密钥（API Key）”填写。") % title[:60]
                )
            if name == "parameters":
                _places(value, PLACES, name, found)
    if source.body:
        if source.method != Source.Method.POST:
            found["body"].append(_("只有 POST 请求带正文。"))
        try:
            pattern = json.loads(source.body)
        except (ValueError, RecursionError):
            found["body"].append(_('正文应为 JSON；变量写在引号内，例如 {"page": "{page}"}。'))
            return
        try:
            secrets = bodies.secrets_of(source)
        except CannotOpen:
            secrets = {}
        if bodies.lacking(pattern, secrets):
            found["body"].append(_("正文中以 *** 代替的密钥没有保存，或更换了主机：请重新填写。"))


def _places(text: str, allowed: tuple[str, ...], name: str, found: Problems) -> None:
    unknown = sorted({place for place in _PLACE.findall(text) if place not in allowed})
    if unknown:
        found[name].append(
            _("没有变量 %(unknown)s；可用：%(known)s。")
            % {
                "unknown": "、".join(f"{{{place}}}" for place in unknown),
                "known": "、".join(f"{{{place}}}" for place in allowed),
            }
        )


def _authorisation(source: Source, found: Problems) -> None:
    if source.auth == Source.Auth.NONE:
        return
    if not source.secret:
        found["secret"].append(_("请填写密钥。"))
    if source.auth in (Source.Auth.BASIC, Source.Auth.SIGN) and not source.auth_user:
        found["auth_user"].append(_("请填写用户名或应用编号。"))
    if source.auth == Source.Auth.BASIC and ":" in source.auth_user:
        found["auth_user"].append(_("用户名不能含冒号。"))
    if source.auth in (Source.Auth.KEY, Source.Auth.SIGN):
        named = ["auth_label"] if source.auth == Source.Auth.KEY else ["auth_label", "sign_user", "sign_time"]
        for name in named:
            value = getattr(source, name)
            if not HEADER.fullmatch(value) or (source.auth_place == Source.Place.HEADER and value.lower() in _OURS):
                found[name].append(_("请填写参数名，由字母、数字和连字符组成。"))
    if source.auth == Source.Auth.SIGN:
        _places(source.sign_pattern, SIGN_PLACES, "sign_pattern", found)
        if "{secret}" not in source.sign_pattern or "{time}" not in source.sign_pattern:
            found["sign_pattern"].append(_("签名原文要含 {secret} 和 {time}，例如 {user}{time}{secret}。"))


def _steps(source: Source, found: Problems) -> None:
    used = source.parameters + source.body
    if source.cursor == Source.Cursor.TIME:
        if "{since}" not in used:
            found["parameters"].append(_("按时间增量时，查询参数或正文中要有 {since}。"))
        if not (source.cursor_path or source.mapping.get("time")):
            found["cursor_path"].append(_("请填写增量字段的路径。"))
    if source.cursor == Source.Cursor.TOKEN:
        if "{token}" not in used:
            found["parameters"].append(_("按位置增量时，查询参数或正文中要有 {token}。"))
        if not source.cursor_path:
            found["cursor_path"].append(_("请填写应答中位置的路径。"))
        if source.paging != Source.Paging.NONE:
            found["paging"].append(_("按位置增量时不另分页。"))
        if source.format == Source.Format.CSV:
            found["cursor"].append(_("CSV 应答中没有位置。"))
    for kind, place in ((Source.Paging.PAGE, "page"), (Source.Paging.OFFSET, "offset")):
        if source.paging == kind and f"{{{place}}}" not in used:
            found["parameters"].append(_("按此方式分页时，查询参数或正文中要有 {%s}。") % place)
    if source.paging == Source.Paging.NEXT and (not source.next_path or source.format == Source.Format.CSV):
        found["next_path"].append(_("请填写应答中下一页的路径（CSV 没有）。"))


def _readings(source: Source, found: Problems) -> None:
    mapping = source.mapping
    if not mapping.get("device") and not mapping.get("station"):
        found["mapping"].append(_("请指定哪个字段是监测点编号，或填写固定编号。"))
    if not mapping.get("time"):
        found["mapping"].append(_("请指定哪个字段是监测时间。"))
    if bool(mapping.get("factor")) != bool(mapping.get("value")):
        found["mapping"].append(_("因子名称和数值两列要一起指定。"))
    factors = mapping.get("factors") or []
    if not factors:
        found["mapping"].append(_("请至少对应一个监测因子。"))
    codes = [code for _external, code, _unit in factors]
    for external, code, unit in factors:
        if not re.fullmatch(CODE, code):
            found["mapping"].append(_("“%s”的因子编码有误。") % external)
        elif unit and not fits(code, unit):
            found["mapping"].append(
                _("“%(name)s”的单位 %(unit)s 与因子 %(code)s 不符。") % {"name": external, "unit": unit, "code": code}
            )
    for code in sorted({code for code in codes if codes.count(code) > 1}):
        found["mapping"].append(_("因子 %s 对应了多个字段。") % code)


def _features(source: Source, found: Problems) -> None:
    layer = layer_of(source)
    if layer is None:
        found["layer"].append(_("请选择图层。"))
        return
    fields = source.mapping.get("fields") or {}
    if "code" not in fields:
        found["mapping"].append(_("请指定哪个字段是编号：据此判断要素是新增还是更新。"))
    _fields(source, fields, found)
    if bool(source.mapping.get("lon")) != bool(source.mapping.get("lat")):
        found["mapping"].append(_("经度和纬度要一起指定。"))
    if source.mapping.get("lon") and (not layer.owns_geometry or layer.geometry_type != "point"):
        found["mapping"].append(_("该图层的位置不是由经纬度给出的点。"))


def _records(source: Source, found: Problems) -> None:
    layer, tab = layer_of(source), tab_of(source)
    if layer is None:
        found["layer"].append(_("请选择图层。"))
        return
    if tab is None:
        found["tab"].append(_("请选择业务记录。"))
        return
    key = natural_key(tab)
    if not key:
        found["tab"].append(_("该业务记录没有唯一标识，重复提取时无法判断是否同一条，不能由接口写入。"))
    fields = source.mapping.get("fields") or {}
    if not source.mapping.get("parent"):
        found["mapping"].append(_("请指定哪个字段是所属要素的编号。"))
    names = {field.name: field.label for field in fillable(source)}
    for name in key:
        if name not in fields:
            found["mapping"].append(_("请指定“%s”：据此判断记录是新增还是更新。") % names.get(name, name))
    _fields(source, fields, found)


def _fields(source: Source, fields: dict[str, str], found: Problems) -> None:
    known = {field.name: field for field in fillable(source)}
    for name in fields:
        if name not in known:
            found["mapping"].append(_("没有可写入的字段“%s”。") % name)
    missing = [field.label for name, field in known.items() if field.required and name not in fields]
    if missing:
        found["mapping"].append(_("必填字段没有对应：%s。") % "、".join(missing))
