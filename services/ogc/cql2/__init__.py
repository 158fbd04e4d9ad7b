"""CQL2 (OGC 21-065r2): text and JSON become a Django condition; nothing of it ever becomes SQL text."""

from services.ogc.cql2.compile import condition
from services.ogc.cql2.read import LANGUAGES, read

__all__ = ["LANGUAGES", "condition", "read"]
