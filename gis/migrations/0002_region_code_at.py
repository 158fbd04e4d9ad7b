"""SQL function: the code of the region at a place, for set-based loads and triggers."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION region_code_at(place geometry) RETURNS varchar
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
    spot geometry := CASE WHEN ST_Dimension(place) = 0 THEN place ELSE ST_PointOnSurface(place) END;
    found varchar;
BEGIN
    SELECT region_id INTO found FROM spatial_regionpart
    WHERE geom && spot AND ST_Intersects(geom, spot) ORDER BY region_id LIMIT 1;
    RETURN found;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("spatial", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION region_code_at(geometry)")]
