"""Live events for who cannot hold a stream: the same changes, asked for again and again (F02)."""

import psycopg
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from command_center.desk.doors import signed_in, visitor
from services.access.errors import Invalid
from services.live import outbox
from services.live.errors import TooOld
from services.live.frames import Drawing


@signed_in
def changes(request: HttpRequest) -> HttpResponse:
    """What happened after a cursor: the cursor to ask with next, and each event as the stream would tell it."""
    connection.ensure_connection()
    link: psycopg.Connection = connection.connection
    after = request.GET.get("after", "")
    try:
        batch, reset = (outbox.read(link, after), False) if after else (outbox.now(link), False)
    except TooOld:
        batch, reset = outbox.now(link), True
    except ValueError:
        raise Invalid(_("没有这个位置，请从头读起。"), {"after": [_("应为上次回答中的 cursor。")]}) from None
    principal = visitor(request)
    frames = Drawing(batch).frames(principal, get_language() or "") if batch else []
    # The frames are JSON already.
    events = ",".join(f'{{"topic":"{frame.topic}","data":{frame.data.decode()}}}' for frame in frames)
    head = f'"cursor":"{batch.cursor}","at":{batch.at},"reset":{"true" if reset else "false"}'
    return HttpResponse(f'{{{head},"events":[{events}]}}', content_type="application/json")
