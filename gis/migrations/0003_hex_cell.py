"""SQL function: the hexagon of ST_HexagonGrid that holds a point, by arithmetic instead of by a join."""

from django.db import migrations

# Columns of hexagons stand 1.5 edges apart, odd ones half a hexagon higher; the nearest centre is the one that holds
# the point, and it lies in one of the two columns beside it.
FORWARD = """
CREATE FUNCTION hex_cell(place geometry, edge double precision) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    height CONSTANT double precision := edge * sqrt(3);
    x CONSTANT double precision := ST_X(place);
    y CONSTANT double precision := ST_Y(place);
    a integer := floor(x / (1.5 * edge));
    b integer := a + 1;
    m integer := round(y / height - 0.5 * (abs(a) % 2));
    n integer := round(y / height - 0.5 * (abs(b) % 2));
BEGIN
    IF (x - 1.5 * edge * a) ^ 2 + (y - height * (m + 0.5 * (abs(a) % 2))) ^ 2
       <= (x - 1.5 * edge * b) ^ 2 + (y - height * (n + 0.5 * (abs(b) % 2))) ^ 2
    THEN
        RETURN ARRAY[a, m];
    END IF;
    RETURN ARRAY[b, n];
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("spatial", "0002_region_code_at")]

    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION hex_cell(geometry, double precision)")]
