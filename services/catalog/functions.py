"""SQL functions that columns call, created before the first table needs them."""

CREATE_GRAMS = """
create or replace function grams(line text) returns text[] language sql immutable strict parallel safe as $$
  select coalesce(array_agg(distinct substr(line, n, size)), '{}')
  from generate_series(1, length(line)) n, generate_series(1, 2) size
$$
"""
"""Every character and every pair of neighbours: what a search index for Chinese stands on, as most words have two."""

CREATE_UUID7 = """
create or replace function uuid7() returns uuid language sql volatile parallel safe as $$
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
      52, 1), 53, 1), 'hex')::uuid
$$
"""
"""A random (version 4) UUID with the time laid over its first 48 bits and its version bits raised from 4 to 7."""
