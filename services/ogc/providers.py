"""pygeoapi's plug-ins: features by the gate and the actions, the catalogue of layers, and tilesets."""

from typing import Any

from pygeoapi.provider.base import BaseProvider, ProviderItemNotFoundError
from pygeoapi.provider.base_mvt import BaseMVTProvider

from services.access import gate
from services.catalog.layer import Layer
from services.ogc import records, tilesets, writing
from services.ogc.engine import asked


class Features(BaseProvider):
    """One layer as its principal sees it."""

    def __init__(self, definition: dict[str, Any]) -> None:
        super().__init__(definition)
        self.now = asked()
        self.layer: Layer = gate.layer_for(self.now.principal, self.data)
        self._fields = {f.name: f.schema | {"title": f.label} for f in gate.fields(self.now.principal, self.layer)}

    def get_fields(self) -> dict[str, Any]:
        return self._fields

    def get(self, identifier: str, **kwargs: Any) -> dict[str, Any]:
        """Whether a feature is there: pygeoapi asks before it deletes."""
        return {"id": str(gate.fetch(self.now.principal, self.layer, identifier).pk)}

    def create(self, item: bytes) -> str:
        return str(writing.create(self.now.principal, self.layer, item, self._crs()).pk)

    def update(self, identifier: str, item: bytes) -> bool:
        writing.replace(self.now.principal, self.layer, identifier, item, self._crs(), self._match())
        return True

    def delete(self, identifier: str) -> bool:
        writing.delete(self.now.principal, self.layer, identifier, self._match())
        return True

    def _crs(self) -> Any:
        return writing.content_crs(self.now.request.headers.get("Content-Crs", ""))

    def _match(self) -> str:
        return self.now.request.headers.get("If-Match", "")


class Records(BaseProvider):
    """The layers that the principal may see, a record each."""

    def __init__(self, definition: dict[str, Any]) -> None:
        super().__init__(definition)
        self._fields = records.FIELDS
        self.now = asked()

    def get_fields(self) -> dict[str, Any]:
        return self._fields

    def query(self, offset: int = 0, limit: int = 10, bbox: Any = (), q: str = "", **rest: Any) -> dict[str, Any]:
        """A page of records."""
        found = records.search(self.now.principal, self.now.base_url, bbox=list(bbox), text=q or "")
        page = found[offset : offset + limit]
        return {
            "type": "FeatureCollection", "features": page, "numberMatched": len(found), "numberReturned": len(page),
        }  # fmt: skip

    def get(self, identifier: str, **kwargs: Any) -> dict[str, Any]:
        """One record."""
        for record in records.search(self.now.principal, self.now.base_url):
            if record["id"] == identifier:
                return record
        raise ProviderItemNotFoundError(f"There is no layer {identifier}.")


class Tiles(BaseMVTProvider):
    """The tileset of one layer; the tiles themselves are served beside pygeoapi, from the cache."""

    def __init__(self, definition: dict[str, Any]) -> None:
        super().__init__(definition)
        self.now = asked()
        self.layer: Layer = gate.layer_for(self.now.principal, self.data)

    def __repr__(self) -> str:
        return f"<Tiles {self.data}>"

    def get_layer(self) -> str:
        return self.layer.key

    def get_tiles_service(self, baseurl: str = "", servicepath: str = "", **kwargs: Any) -> dict[str, Any]:
        self._service_url = servicepath.partition("?")[0]
        return self.get_tms_links()

    def get_tms_links(self) -> dict[str, Any]:
        """The address of the tiles; that of the TileJSON stands in the tileset."""
        return {"links": [{"rel": "item", "type": self.mimetype, "href": self._service_url, "templated": True}]}

    def get_default_metadata(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return tilesets.metadata(self.now.principal, self.layer, self.now.base_url)

    def get_vendor_metadata(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return tilesets.tilejson(self.now.principal, self.layer, self.now.base_url)
