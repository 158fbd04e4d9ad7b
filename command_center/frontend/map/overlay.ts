// Features that changed since their tiles were drawn: drawn from what was told, over the tiles, which hide theirs.
import type {
  CircleLayerSpecification, ExpressionSpecification, GeoJSONSource, LayerSpecification, Map as MapLibre, StyleSpecification,
  SymbolLayerSpecification,
} from "maplibre-gl";
import type { Row } from "../desk/live";
import { roleOf } from "./style";

/** Below it the tiles gather points into clusters: there they are fetched again instead. */
export const CLUSTERED_BELOW = 11;
/** More than so many are drawn by fetching the tiles again. */
const MOST = 2_000;
const DRAWN = ["feature", "label", "selected"];
const OPACITY: Record<string, string[]> = { symbol: ["icon-opacity", "text-opacity"], circle: ["circle-opacity", "circle-stroke-opacity"] };
const SUFFIX = "~live";

type Drawn = SymbolLayerSpecification | CircleLayerSpecification;

/** The layer a source belongs to: its own, or the one it stands over. */
export function keyOf(source: string): string {
  return source.endsWith(SUFFIX) ? source.slice(0, -SUFFIX.length) : source;
}

/** The name of what stands over a source or a layer of the style. */
export function over(name: string): string {
  return name + SUFFIX;
}

/** The changed features of one layer. */
export class Overlay {
  private readonly features = new Map<string, GeoJSON.Feature<GeoJSON.Point>>();
  private waiting = 0;

  private constructor(
    private readonly map: MapLibre,
    private readonly key: string,
  ) {}

  /** Make it: null where the layer is not drawn as points of its own. */
  static over(map: MapLibre, style: StyleSpecification, key: string, visible: boolean): Overlay | null {
    const own = style.layers.filter((layer): layer is Drawn => isDrawn(layer, key));
    if (!own.length) return null;
    map.addSource(over(key), { type: "geojson", data: { type: "FeatureCollection", features: [] }, promoteId: "id" });
    for (const layer of own) {
      const order = map.getLayersOrder();
      const above = order[order.indexOf(layer.id) + 1];
      const clone = { ...layer, id: over(layer.id), source: over(key), minzoom: Math.max(layer.minzoom ?? 0, CLUSTERED_BELOW) };
      delete clone["source-layer"];
      const filter = map.getFilter(layer.id);
      map.addLayer({ ...clone, ...(filter ? { filter } : {}), layout: { ...layer.layout, visibility: visible ? "visible" : "none" } } as Drawn, above);
      hideTold(map, layer);
    }
    return new Overlay(map, key);
  }

  get size(): number {
    return this.features.size;
  }

  has(id: string): boolean {
    return this.features.has(id);
  }

  /** Take in what was told; false where there is too much of it. */
  put(rows: Row[]): boolean {
    for (const { id, values, place } of rows) {
      if (!place) continue;
      const known = Object.entries(values).filter(([, value]) => value !== null && typeof value !== "object");
      const before = this.features.get(id)?.properties ?? {};
      const cleared = Object.keys(values).filter((name) => values[name] === null);
      const properties: Record<string, unknown> = { ...before, ...Object.fromEntries(known), id };
      for (const name of cleared) delete properties[name];
      this.features.set(id, { type: "Feature", properties, geometry: { type: "Point", coordinates: place } });
      this.map.setFeatureState({ source: this.key, sourceLayer: this.key, id }, { told: true });
    }
    this.draw();
    return this.features.size <= MOST;
  }

  /** Forget everything: the tiles are fetched again. */
  clear(): void {
    if (!this.features.size) return;
    for (const id of this.features.keys()) {
      this.map.removeFeatureState({ source: this.key, sourceLayer: this.key, id }, "told");
    }
    this.features.clear();
    this.draw();
  }

  private draw(): void {
    if (this.waiting) return;
    this.waiting = window.setTimeout(() => {
      this.waiting = 0;
      const source = this.map.getSource(over(this.key)) as GeoJSONSource | undefined;
      void source?.setData({ type: "FeatureCollection", features: [...this.features.values()] });
    }, 100);
  }
}

function isDrawn(layer: LayerSpecification, key: string): boolean {
  return "source" in layer && layer.source === key && layer.type in OPACITY && DRAWN.includes(roleOf(layer));
}

/** A feature of the tiles that stands in the overlay is not seen; below the zoom of clusters the tiles are all there is. */
function hideTold(map: MapLibre, layer: Drawn): void {
  for (const name of OPACITY[layer.type] ?? []) {
    const usual: unknown = (layer.paint as Record<string, unknown> | undefined)?.[name] ?? 1;
    if (typeof usual !== "number") continue;
    const hidden: ExpressionSpecification = ["case", ["boolean", ["feature-state", "told"], false], 0, usual];
    map.setPaintProperty(layer.id, name as "icon-opacity", ["step", ["zoom"], usual, CLUSTERED_BELOW, hidden]);
  }
}
