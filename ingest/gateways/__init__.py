"""Gateways: processes to which devices connect. asyncio and psycopg; Django only for settings and set-up.

``committer`` takes what all connections decoded, commits it in batches and only then lets the acknowledgements go;
``directory`` knows the devices; each protocol has a module with the dialogue of one connection.
"""
