"""How others say that a device behaves oddly; by itself, so that a gateway loads nothing more for it."""

import psycopg


def report(link: psycopg.Connection, device: int, subject: str, text: str = "") -> None:
    """Note that a device behaves oddly, over any psycopg connection: one alarm comes of it however often it is said."""
    link.execute(
        "insert into alarms_report (device, subject, text) values (%s, %s, %s)", [device, subject[:20], text[:200]]
    )
