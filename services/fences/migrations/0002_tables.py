"""The area of a fence, where each device stands to it, and the events."""

from django.db import migrations

SQL = """
alter table fences_fence add column area geometry(Geometry, 4490);
-- A buffer on the ground needs a plane of its own for each place: no generated column may do that.
create function fences_area() returns trigger language plpgsql as $$
begin
    if new.shape = 'polygon' then
        new.area := new.geom;
    else
        new.area := ST_SetSRID(ST_Buffer(new.geom::geography, new.metres, 32)::geometry, 4490);
    end if;
    return new;
end $$;
create trigger fences_area before insert or update of geom, shape, metres on fences_fence
    for each row execute function fences_area();
create index fences_fence_area on fences_fence using gist (area) where active;
alter table fences_fence add constraint fence_shape_fits check (case shape
    when 'polygon' then ST_Dimension(geom) = 2 and ST_IsValid(geom)
    when 'circle' then GeometryType(geom) = 'POINT' and metres > 0
    else ST_Dimension(geom) = 1 and metres > 0 end);
alter table fences_fence add constraint fence_watches_something check (cardinality(kinds) > 0);

create table fences_state (
    device int4 not null,
    fence int4 not null references fences_fence on delete cascade,
    inside bool not null,
    -- Since when it is so, by the first fix on this side.
    since timestamptz not null,
    -- Fixes on the other side that do not suffice yet: the first, the number.
    other_at timestamptz,
    other_fixes int4 not null default 0,
    primary key (device, fence)
) with (fillfactor = 70);

create table fences_event (
    id bigint generated always as identity primary key,
    device int4 not null,
    fence int4 not null references fences_fence on delete cascade,
    feature uuid not null,
    kind text not null,
    at timestamptz not null,
    received_at timestamptz not null,
    late bool not null,
    lon float8 not null,
    lat float8 not null,
    -- Numbers are given before the commit: who reads on needs to know which transactions are over.
    written xid8 not null default pg_current_xact_id(),
    unique (device, fence, kind, at)
);
create index fences_event_order on fences_event (written, id);
create index fences_event_feature on fences_event (feature, at desc);
create index fences_event_fence on fences_event (fence, at desc);
"""
DROP = """
drop table fences_event, fences_state;
drop trigger fences_area on fences_fence;
drop function fences_area();
alter table fences_fence drop constraint fence_shape_fits, drop constraint fence_watches_something, drop column area;
"""


class Migration(migrations.Migration):
    dependencies = [("fences", "0001_initial"), ("positions", "0003_derive")]
    operations = [migrations.RunSQL(SQL, DROP)]
