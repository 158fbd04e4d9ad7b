// The desk's map: the server's style, which layers show, which feature is hovered, picked and selected.
import "maplibre-gl/dist/maplibre-gl.css";
import {
  Map as MapLibre,
  NavigationControl,
  Popup,
  ScaleControl,
  type FilterSpecification,
  type LngLat,
  type MapGeoJSONFeature,
  type MapMouseEvent,
  type StyleSpecification,
  type VectorTileSource,
} from "maplibre-gl";
import type { Open } from "../desk/address";
import type { Row } from "../desk/live";
import { CLUSTERED_BELOW, keyOf, over, Overlay } from "./overlay";
import { HOUSE, loadStyle, prepare, roleOf } from "./style";

/** Milliseconds between two times that a layer's tiles are fetched again because something happened. */
const AGAIN = 10_000;

/** What the page wants of the map. */
export interface Wishes {
  /** Keys of the layers that show at first; null for all. */
  shown: Set<string> | null;
  /** Filter query by layer key. */
  queries: Record<string, string>;
  onPick: (open: Open | null) => void;
  onMove: () => void;
}

let opened: MapLibre | null = null;

/** The map of the page, once it can be drawn on. */
export function openMap(): MapLibre | null {
  return opened;
}

/** A MapLibre map with the product's layers. */
export class DeskMap {
  private hovered: { source: string; sourceLayer?: string; id: string } | null = null;
  private readonly popup = new Popup({ closeButton: false, closeOnClick: false, offset: 14, className: "hover-tip" });

  readonly ready: Promise<unknown>;
  private readonly shown: Set<string>;
  private readonly overlays = new Map<string, Overlay | null>();
  private readonly due = new Map<string, number>();
  private readonly fetched = new Map<string, number>();
  private narrowed: Record<string, string>;
  /** Hears a click where no feature lies; true where it has an answer. */
  onGround: ((place: LngLat) => boolean) | null = null;

  private constructor(
    readonly map: MapLibre,
    private readonly style: StyleSpecification,
    private readonly wishes: Wishes,
  ) {
    this.ready = map.once("style.load").then(() => {
      opened = map;
      document.body.dispatchEvent(new Event("map:ready"));
    });
    this.shown = new Set(wishes.shown ?? this.keys);
    this.narrowed = { ...wishes.queries };
  }

  /** Load the style and open the map in its holder. */
  static async open(holder: HTMLElement, wishes: Wishes): Promise<DeskMap> {
    prepare();
    const style = await loadStyle(holder.dataset.style!);
    for (const layer of style.layers) {
      const hidden = wishes.shown && "source" in layer && !wishes.shown.has(layer.source) && roleOf(layer) !== "basemap";
      if (hidden) layer.layout = { ...layer.layout, visibility: "none" };
    }
    for (const [key, query] of Object.entries(wishes.queries)) narrow(style, key, query);
    const bounds = (holder.dataset.bounds || "73,18,135,54").split(",").map(Number) as [number, number, number, number];
    const map = new MapLibre({
      ...HOUSE, container: holder, style, bounds, hash: "map", maxZoom: 19,
      fitBoundsOptions: { padding: 48, maxZoom: 15 },
    });
    map.touchZoomRotate.disableRotation();
    map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-left");
    const desk = new DeskMap(map, style, wishes);
    desk.listen();
    Object.assign(window, { zhutuMap: map });
    return desk;
  }

  /** The keys of the product's layers. */
  get keys(): string[] {
    return [...new Set(this.style.layers.flatMap((l) => ("source" in l && roleOf(l) !== "basemap" ? [l.source] : [])))];
  }

  /** Show or hide a layer. */
  show(key: string, visible: boolean): void {
    if (visible) this.shown.add(key);
    else this.shown.delete(key);
    void this.ready.then(() => {
      for (const layer of this.layersOf(key)) {
        this.map.setLayoutProperty(layer, "visibility", visible ? "visible" : "none");
      }
    });
  }

  /** Whether a layer shows. */
  shows(key: string): boolean {
    return this.shown.has(key);
  }

  /** The zoom from which a layer is drawn. */
  shownFrom(key: string): number {
    const source = this.style.sources[key];
    return source && "minzoom" in source ? (source.minzoom ?? 0) : 0;
  }

  /** Draw only what the queries let through. */
  filter(queries: Record<string, string>): void {
    void this.ready.then(() => {
      for (const [key, query] of Object.entries(queries)) {
        const source = this.map.getSource(key) as VectorTileSource | undefined;
        this.narrowed[key] = query;
        this.overlays.get(key)?.clear();
        if (source?.tiles) source.setTiles(source.tiles.map((tile) => addressed(tile, query)));
      }
    });
  }

  /** Draw what was told of features of a layer; `hides` says whether the change may take some out of the filter. */
  told(key: string, rows: Row[], hides: boolean): void {
    void this.ready.then(() => {
      if (!this.map.getSource(key)) return;
      if (!this.overlays.has(key)) this.overlays.set(key, Overlay.over(this.map, this.style, key, this.shows(key)));
      const overlay = this.overlays.get(key);
      // What the tiles draw together, or may not draw any more, is not known from what was told.
      if (!overlay || hides || this.map.getZoom() < CLUSTERED_BELOW) this.again(key);
      if (overlay && !hides && !overlay.put(this.passing(key, overlay, rows))) this.again(key);
    });
  }

  /** Fetch a layer's tiles again, not more often than every few seconds. */
  again(key: string): void {
    if (this.due.has(key) || !this.map.getSource(key)) return;
    const wait = Math.max(0, (this.fetched.get(key) ?? 0) + AGAIN - Date.now());
    const run = (): void => {
      this.due.delete(key);
      this.fetched.set(key, Date.now());
      this.overlays.get(key)?.clear();
      this.map.refreshTiles(key);
    };
    this.due.set(key, window.setTimeout(run, wait));
  }

  /** Of features under a filter only those that the tiles or the overlay show already are known to pass it. */
  private passing(key: string, overlay: Overlay, rows: Row[]): Row[] {
    if (!this.narrowed[key] && !addressOf(this.map, key).includes("?")) return rows;
    const ids = rows.map((row) => row.id);
    const filter: FilterSpecification = ["in", ["get", "id"], ["literal", ids]];
    const drawn = new Set(this.map.querySourceFeatures(key, { sourceLayer: key, filter }).map((f) => f.properties.id as string));
    return rows.filter((row) => drawn.has(row.id) || overlay.has(row.id));
  }

  /** Ring one feature, or none. */
  select(open: Open | null): void {
    void this.ready.then(() => {
      for (const layer of this.style.layers) {
        if (roleOf(layer) !== "selected" || !("source" in layer)) continue;
        const id = open && layer.source === open.key ? open.id : "";
        for (const name of [layer.id, over(layer.id)]) {
          if (this.map.getLayer(name)) this.map.setFilter(name, ["==", ["get", "id"], id]);
        }
      }
      if (open && !this.shows(open.key)) this.show(open.key, true);
    });
  }

  /** Go to a place, or to an extent where it has one. */
  look(place: number[], extent: number[]): void {
    const [west, south, east, north] = extent;
    if (west !== undefined && south !== undefined && east !== undefined && north !== undefined && east - west > 1e-6) {
      this.map.fitBounds([west, south, east, north], { padding: 60, maxZoom: 16, duration: 700 });
    } else if (place[0] !== undefined && place[1] !== undefined) {
      this.map.easeTo({ center: [place[0], place[1]], zoom: Math.max(this.map.getZoom(), 14), duration: 700 });
    }
  }

  /** The view as west,south,east,north. */
  box(): string {
    const b = this.map.getBounds();
    return [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()].map((n) => n.toFixed(5)).join(",");
  }

  private layersOf(key: string): string[] {
    const own = this.style.layers.filter((l) => "source" in l && l.source === key).map((l) => l.id);
    return [...own, ...own.map(over).filter((name) => this.map.getLayer(name))];
  }

  private under(event: MapMouseEvent): MapGeoJSONFeature | undefined {
    const { x, y } = event.point;
    const near: [[number, number], [number, number]] = [[x - 3, y - 3], [x + 3, y + 3]];
    const found = this.map.queryRenderedFeatures(near);
    return found.find((f) => ["feature", "cluster"].includes(roleOf(f.layer)) && !f.state.told);
  }

  private listen(): void {
    const { map } = this;
    map.on("click", (event) => this.clicked(event));
    map.on("mousemove", (event) => this.moved(event));
    map.on("mouseout", () => this.hover(undefined));
    map.on("moveend", () => this.wishes.onMove());
    const state = document.querySelector("[data-zoom]");
    const zoom = (): void => {
      if (state) state.textContent = `z ${map.getZoom().toFixed(1)}`;
    };
    map.on("zoom", zoom);
    zoom();
    const busy = document.querySelector<HTMLElement>("[data-map-busy]");
    map.on("dataloading", () => busy?.removeAttribute("hidden"));
    map.on("idle", () => busy?.setAttribute("hidden", ""));
  }

  private clicked(event: MapMouseEvent): void {
    const feature = this.under(event);
    if (!feature) {
      if (!this.onGround?.(event.lngLat)) this.wishes.onPick(null);
    } else if (roleOf(feature.layer) === "cluster") {
      this.map.easeTo({ center: event.lngLat, zoom: this.map.getZoom() + 2 });
    } else this.wishes.onPick({ key: keyOf(feature.source), id: String(feature.properties.id ?? feature.id) });
  }

  private moved(event: MapMouseEvent): void {
    const place = document.querySelector("[data-coordinates]");
    if (place) place.textContent = `${event.lngLat.lng.toFixed(5)}, ${event.lngLat.lat.toFixed(5)}`;
    const feature = this.under(event);
    this.map.getCanvas().style.cursor = feature ? "pointer" : "";
    this.hover(feature);
    const name = feature && roleOf(feature.layer) === "feature" ? (feature.properties.name as string) : "";
    if (name) this.popup.setLngLat(event.lngLat).setText(name).addTo(this.map);
    else this.popup.remove();
  }

  private hover(feature: MapGeoJSONFeature | undefined): void {
    if (this.hovered) this.map.setFeatureState(this.hovered, { hover: false });
    this.hovered = null;
    if (feature && feature.id !== undefined) {
      const within = feature.sourceLayer ? { sourceLayer: feature.sourceLayer } : {};
      this.hovered = { source: feature.source, ...within, id: String(feature.id) };
      this.map.setFeatureState(this.hovered, { hover: true });
    } else this.popup.remove();
  }
}

function narrow(style: StyleSpecification, key: string, query: string): void {
  const source = style.sources[key];
  if (source?.type === "vector" && source.tiles) source.tiles = source.tiles.map((tile) => addressed(tile, query));
}

function addressOf(map: MapLibre, key: string): string {
  return (map.getSource(key) as VectorTileSource | undefined)?.tiles?.[0] ?? "";
}

function addressed(tile: string, query: string): string {
  return tile.split("?")[0]! + (query ? `?${query}` : "");
}
