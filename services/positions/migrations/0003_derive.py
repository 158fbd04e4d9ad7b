"""``positions_derive``: trips and stops of one device, from the place where new positions can change them."""

from django.db import migrations

# Stay points after Li, Zheng et al. 2008: from an anchor all following fixes within near_m, if they last for stop_s,
# are a stop; else the next fix is the anchor. The walk begins at the last leg that new positions cannot change and
# ends where it meets a leg as it was.
SQL = """
create function positions_derive(
    whose int4, first timestamptz, last timestamptz,
    near_m float8, stop_s float8, gap_s float8, most_mps float8
) returns int4 language plpgsql as $$
declare
    tail positions_leg;
    sure positions_leg;
    found positions_leg[];
    leg positions_leg;
    ats timestamptz[];
    places geography[];
    speeds float4[];
    jumps bool[];
    row record;
    bound timestamptz;
    met timestamptz;
    since timestamptz;
    began timestamptz;
    fresh bool;
    m float8;
    d float8;
    c int4;
    top float4;
    carried int4;
    skipped int4;
    n int4;
    i int4;
    j int4;
    k int4;
begin
    select * into tail from positions_leg l where l.device = whose order by began_at desc limit 1;
    if tail.kind = 0 and first > tail.ended_at then
        sure := tail;
    else
        select * into sure from positions_leg l
        where l.device = whose and ((l.kind = 1 and l.ended_at < first) or (l.kind = 0 and l.fresh and l.began_at < first))
        order by began_at desc limit 1;
    end if;
    if sure.device is null then
        select least(first, min(l.began_at)) into since from positions_leg l where l.device = whose and l.began_at <= first;
    elsif sure.kind = 1 or sure.began_at <> tail.began_at or first <= tail.ended_at then
        since := sure.began_at;
    else
        since := sure.settled_at;
    end if;

    for attempt in 1..2 loop
        bound := null;
        if attempt = 1 then
            select l.began_at into bound from positions_leg l
            where l.device = whose and l.kind = 1 and l.began_at > last order by l.began_at offset 2 limit 1;
        end if;
        ats := '{}'; places := '{}'; speeds := '{}'; jumps := '{}';
        found := '{}'; met := null; n := 0; skipped := 0; carried := 0;
        for row in
            select p.at, p.geom::geography as place, p.speed from positions_position p
            where p.device = whose and p.quality = 0 and p.at <= coalesce(bound, 'infinity')
                -- Of a stop that stays only its anchor and its last fix are needed.
                and (case when sure.kind = 1 then p.at = sure.began_at or p.at >= sure.ended_at else p.at >= since end)
                and p.at >= since
            order by p.at
        loop
            if n > 0 then
                d := ST_Distance(places[n], row.place) / greatest(1, extract(epoch from row.at - ats[n]));
                if d > most_mps and skipped < 3 then
                    skipped := skipped + 1;
                    continue;
                end if;
                jumps := jumps || (d > most_mps);
            else
                jumps := jumps || false;
            end if;
            skipped := 0;
            n := n + 1;
            ats := ats || row.at; places := places || row.place; speeds := speeds || row.speed;
        end loop;
        if n = 0 then
            return 0;
        end if;

        began := ats[1]; fresh := true; m := 0; c := 1; top := speeds[1]; i := 1;
        if sure.kind = 1 then
            carried := sure.fixes - 2;
            fresh := sure.fresh;
        elsif sure.device is not null and since <> sure.began_at then
            began := sure.began_at; fresh := sure.fresh;
            m := sure.settled_m; c := sure.settled_fixes; top := sure.settled_top;
        end if;
        while i <= n loop
            j := i + 1;
            while j <= n and ST_Distance(places[i], places[j]) <= near_m loop
                j := j + 1;
            end loop;
            leg := null;
            leg.device := whose;
            if extract(epoch from ats[j - 1] - ats[i]) >= stop_s then
                if began < ats[i] then
                    leg.kind := 0; leg.began_at := began; leg.ended_at := ats[i]; leg.settled_at := ats[i];
                    leg.distance_m := m; leg.fixes := c; leg.top_speed := top; leg.fresh := fresh;
                    leg.settled_m := m; leg.settled_fixes := c; leg.settled_top := top;
                    found := found || leg;
                    fresh := false;
                end if;
                if ats[i] > last and exists (
                    select from positions_leg l where l.device = whose and l.began_at = ats[i] and l.kind = 1
                ) then
                    met := ats[i];
                    exit;
                end if;
                leg := null;
                leg.device := whose; leg.kind := 1; leg.began_at := ats[i]; leg.ended_at := ats[j - 1];
                leg.settled_at := ats[j - 1]; leg.place := places[i]::geometry; leg.fixes := j - i + carried;
                leg.distance_m := 0; leg.top_speed := 0; leg.fresh := fresh;
                leg.settled_m := 0; leg.settled_fixes := 0; leg.settled_top := 0;
                found := found || leg;
                carried := 0;
                exit when j > n;
                d := extract(epoch from ats[j] - ats[j - 1]);
                if d > gap_s or jumps[j] then
                    began := ats[j]; fresh := true; m := 0; c := 1;
                else
                    began := ats[j - 1]; fresh := false; m := ST_Distance(places[j - 1], places[j]); c := 2;
                end if;
                top := speeds[j];
                i := j;
            elsif j > n then
                leg.kind := 0; leg.began_at := began; leg.fresh := fresh; leg.settled_at := ats[i];
                leg.settled_m := m; leg.settled_fixes := c; leg.settled_top := top;
                for k in i + 1..n loop
                    m := m + ST_Distance(places[k - 1], places[k]);
                    c := c + 1;
                    top := greatest(top, speeds[k]);
                end loop;
                leg.ended_at := ats[n]; leg.distance_m := m; leg.fixes := c; leg.top_speed := top;
                found := found || leg;
                exit;
            else
                d := extract(epoch from ats[i + 1] - ats[i]);
                if d > gap_s or jumps[i + 1] then
                    leg.kind := 0; leg.began_at := began; leg.ended_at := ats[i]; leg.settled_at := ats[i];
                    leg.distance_m := m; leg.fixes := c; leg.top_speed := top; leg.fresh := fresh;
                    leg.settled_m := m; leg.settled_fixes := c; leg.settled_top := top;
                    found := found || leg;
                    if ats[i + 1] > last and exists (
                        select from positions_leg l
                        where l.device = whose and l.began_at = ats[i + 1] and l.kind = 0 and l.fresh
                    ) then
                        met := ats[i + 1];
                        exit;
                    end if;
                    began := ats[i + 1]; fresh := true; m := 0; c := 1; top := speeds[i + 1];
                else
                    m := m + ST_Distance(places[i], places[i + 1]);
                    c := c + 1;
                    top := greatest(top, speeds[i + 1]);
                end if;
                i := i + 1;
            end if;
        end loop;
        exit when bound is null or met is not null;
    end loop;

    delete from positions_leg l
    where l.device = whose and l.began_at >= coalesce(sure.began_at, since) and (met is null or l.began_at < met);
    insert into positions_leg select * from unnest(found);
    return cardinality(found);
end $$
"""
DROP = "drop function positions_derive(int4, timestamptz, timestamptz, float8, float8, float8, float8)"


class Migration(migrations.Migration):
    dependencies = [("positions", "0002_tables")]
    operations = [migrations.RunSQL(SQL, DROP)]
