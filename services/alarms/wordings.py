"""How alarms are worded at first, in both languages: in the product, and short for SMS; an office edits the rows."""

from services.notify.models import Kind

ZH, EN = "zh-hans", "en"

_TEXTS = {
    "alarm-raised": (
        ("{title}：{name}", "{factor} {value} {unit}，限值 {limit}，{time}。{text}"),
        ("{title}: {name}", "{factor} {value} {unit}, limit {limit}, {time}. {text}"),
    ),
    "alarm-worsened": (
        ("告警升级为{level}：{name} {title}", "{factor} {value} {unit}，限值 {limit}，{time}，累计 {count} 次。"),
        ("Alarm raised to {level}: {name} {title}", "{factor} {value} {unit}, limit {limit}, {time}, {count} so far."),
    ),
    "alarm-ended": (
        ("已恢复：{name} {title}", "{time} 恢复正常，期间超标 {count} 次。处置状态：{state}。"),
        ("Over: {name} {title}", "Back to normal at {time} after {count} exceedances. Handling: {state}."),
    ),
    "alarm-overdue": (
        ("告警超期未处理：{name} {title}", "{due}已过，当前状态：{state}。{factor} {value} {unit}，限值 {limit}。"),
        ("Alarm overdue: {name} {title}", "{due} has passed; state: {state}. {factor} {value} {unit}, limit {limit}."),
    ),
    "alarm-assigned": (
        ("请处置：{name} {title}", "{person}将此告警指派给您。{factor} {value} {unit}，限值 {limit}。{text}"),
        ("For you to handle: {name} {title}", "Assigned by {person}. {factor} {value} {unit}, limit {limit}. {text}"),
    ),
    "alarm-rectify": (
        ("请限期整改：{name} {title}", "{due}。{person}：{text}"),
        ("To be rectified: {name} {title}", "{due}. {person}: {text}"),
    ),
    "alarm-handled": (
        ("已处置：{name} {title}", "{person}：{text}"),
        ("Handled: {name} {title}", "{person}: {text}"),
    ),
    "alarm-reopened": (
        ("处置被退回：{name} {title}", "{person}：{text}"),
        ("Sent back: {name} {title}", "{person}: {text}"),
    ),
    "alarm-closed": (
        ("已办结：{name} {title}", "{person}：{text}"),
        ("Closed: {name} {title}", "{person}: {text}"),
    ),
    "disk-filling": (
        ("磁盘空间不足：{name}", "{time} 已用 {value}{unit}，达到 {limit}{unit}。写满后将拒收数据，请清理或扩容。"),
        (
            "Disk is filling up: {name}",
            "{value}{unit} in use at {time}, over {limit}{unit}. A full disk takes no data.",
        ),
    ),
    "alarm-false": (
        ("判为误报：{name} {title}", "{person}：{text}"),
        ("Found to be false: {name} {title}", "{person}: {text}"),
    ),
}

# A module words what it warns of, with its figures and its advice, by itself: {text}.
_WARNINGS = {
    "raised": (("{title}：{name}", "{time}。{text}"), ("{title}: {name}", "{time}. {text}")),
    "worsened": (("预警升级为{level}：{name} {title}", "{text}"), ("Raised to {level}: {name} {title}", "{text}")),
    "ended": (
        ("已解除：{name} {title}", "{time} 解除。处置状态：{state}。"),
        ("Over: {name} {title}", "No longer so since {time}. Handling: {state}."),
    ),
    "overdue": (
        ("预警超期未处理：{name} {title}", "{due}已过，当前状态：{state}。{text}"),
        ("Warning overdue: {name} {title}", "{due} has passed; state: {state}. {text}"),
    ),
    "assigned": (
        ("请处置：{name} {title}", "{person}将此预警指派给您。{text}"),
        ("For you to handle: {name} {title}", "Assigned by {person}. {text}"),
    ),
    **{kind: _TEXTS[f"alarm-{kind}"] for kind in ("rectify", "handled", "reopened", "closed", "false")},
}
_TEXTS |= {f"warning-{kind}": texts for kind, texts in _WARNINGS.items()}

# Of a device that is silent there is no value to tell, but which one, since when and how it left.
_SILENCE = {
    "raised": (
        ("{title}：{name}", "自 {began} 起离线（{reason}），设备编号 {code}。"),
        ("{title}: {name}", "Offline since {began} ({reason}), device {code}."),
    ),
    "ended": (
        ("已恢复：{name} {title}", "{time} 恢复在线，自 {began} 起离线，设备编号 {code}。处置状态：{state}。"),
        ("Over: {name} {title}", "Heard again at {time}, offline since {began}, device {code}. Handling: {state}."),
    ),
    "overdue": (
        ("告警超期未处理：{name} {title}", "{due}已过，自 {began} 起离线，设备编号 {code}，当前状态：{state}。"),
        ("Alarm overdue: {name} {title}", "{due} has passed; offline since {began}, device {code}, state: {state}."),
    ),
    "assigned": (
        ("请处置：{name} {title}", "{person}将此告警指派给您。自 {began} 起离线，设备编号 {code}。{text}"),
        ("For you to handle: {name} {title}", "Assigned by {person}. Offline since {began}, device {code}. {text}"),
    ),
}
_TEXTS |= {f"silence-{step}": texts for step, texts in _SILENCE.items()}
_TEXTS |= {f"silence-{step}": _TEXTS[f"alarm-{step}"] for step in ("rectify", "handled", "reopened", "closed", "false")}

_SMS = {
    "warning-raised": (
        "{level}预警：{name}{title}，{text}。请及时处置。",
        "{level} warning: {name}, {title}: {text}. Please handle it in time.",
    ),
    "warning-overdue": (
        "预警超期：{name}{title}，{due}已过，请督促处置。",
        "Warning overdue: {name}, {title}. {due} has passed; please see to it.",
    ),
    "warning-assigned": (
        "请处置{level}预警：{name}{title}。",
        "For you to handle: {level} warning, {name}, {title}.",
    ),
    "alarm-raised": (
        "{level}告警：{name}{title}，{factor}{value}{unit}，限值{limit}，{time}。请及时处置。",
        "{level} alarm: {name}, {title}, {factor} {value} {unit}, limit {limit}, {time}. Please handle it in time.",
    ),
    "alarm-worsened": (
        "告警升级{level}：{name}{title}，{factor}{value}{unit}，限值{limit}，{time}。",
        "Alarm raised to {level}: {name}, {title}, {factor} {value} {unit}, limit {limit}, {time}.",
    ),
    "alarm-overdue": (
        "告警超期：{name}{title}，{due}已过，请督促处置。",
        "Alarm overdue: {name}, {title}. {due} has passed; please see to it.",
    ),
    "alarm-rectify": (
        "请限期整改{level}告警：{name}{title}，{due}。",
        "{level} alarm: {name}, {title}. {due}.",
    ),
    "warning-rectify": (
        "请限期整改{level}预警：{name}{title}，{due}。",
        "{level} warning: {name}, {title}. {due}.",
    ),
    "silence-rectify": (
        "请限期整改{level}告警：{name}{title}，{due}。",
        "{level} alarm: {name}, {title}. {due}.",
    ),
    "silence-raised": (
        "{level}告警：{name}{title}，{began}起，设备编号{code}。请及时处置。",
        "{level} alarm: {name}, {title} since {began}, device {code}. Please handle it in time.",
    ),
    "silence-overdue": (
        "告警超期：{name}{title}，{due}已过，请督促处置。",
        "Alarm overdue: {name}, {title}. {due} has passed; please see to it.",
    ),
    "silence-assigned": (
        "请处置{level}告警：{name}{title}，{began}起，设备编号{code}。",
        "For you to handle: {level} alarm, {name}, {title} since {began}, device {code}.",
    ),
    "alarm-assigned": (
        "请处置{level}告警：{name}{title}，{factor}{value}{unit}，限值{limit}。",
        "For you to handle: {level} alarm, {name}, {title}, {factor} {value} {unit}, limit {limit}.",
    ),
}

WORDINGS = (
    *(
        (key, Kind.IN_APP.value, language, *text)
        for key, texts in _TEXTS.items()
        for language, text in zip((ZH, EN), texts, strict=True)
    ),
    *(
        (key, Kind.SMS.value, language, "{title}", text)
        for key, texts in _SMS.items()
        for language, text in zip((ZH, EN), texts, strict=True)
    ),
)
"""Key, kind of channel, language, subject, body."""
