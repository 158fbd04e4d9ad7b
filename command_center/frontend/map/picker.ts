// The map picker of a form: a point by click or drag, a line or an area vertex by vertex, written as GeoJSON.
import { Map as MapLibre, NavigationControl, type GeoJSONSource, type MapMouseEvent, type StyleSpecification } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import type { Feature, GeoJsonProperties, Geometry } from "geojson";
import { words } from "../desk/words";
import { HOUSE, loadStyle, prepare, roleOf } from "./style";

type Position = [number, number];
type Kind = "point" | "line" | "polygon" | "any";
const SNAP = 12;
const DIGITS = 7;

/** Show the picker; `placed` hears the first position after every change. */
export async function startPicker(holder: HTMLElement, placed: (lon: number, lat: number) => void): Promise<void> {
  prepare();
  const style = await loadStyle(holder.dataset.style!);
  const drawn = { ...style, layers: style.layers.filter((layer) => roleOf(layer) === "basemap" || roleOf(layer) === "feature") };
  for (const layer of drawn.layers) {
    if (layer.type === "symbol" && roleOf(layer) === "feature") layer.paint = { ...layer.paint, "icon-opacity": 0.35 };
  }
  const input = document.getElementById(holder.dataset.input!) as HTMLInputElement;
  const picker = new Picker(holder, drawn, input, holder.dataset.picker as Kind, placed);
  Object.assign(window, { zhutuMap: picker.map });
}

/** One drawing: parts of positions; an area's rings are kept open while they are drawn. */
class Picker {
  readonly map: MapLibre;
  private parts: Position[][] = [];
  private holes: Position[][][] = [];
  private open = false;
  private readonly past: string[] = [];
  private readonly kind: "point" | "line" | "polygon";

  constructor(
    holder: HTMLElement,
    style: StyleSpecification,
    private readonly input: HTMLInputElement,
    kind: Kind,
    private readonly placed: (lon: number, lat: number) => void,
  ) {
    [this.parts, this.holes] = partsOf(input.value);
    const given = input.value ? (JSON.parse(input.value) as { type: string }).type : "";
    this.kind = kind === "any" ? (/Polygon/.test(given) ? "polygon" : /Line/.test(given) ? "line" : "point") : kind;
    const all = this.parts.flat();
    const bounds = all.length ? boundsOf(all) : (holder.dataset.bounds || "73,18,135,54").split(",").map(Number);
    this.map = new MapLibre({
      ...HOUSE, container: holder, style, bounds: bounds as [number, number, number, number], maxZoom: 20,
      fitBoundsOptions: { padding: 90, maxZoom: 16 }, doubleClickZoom: this.kind === "point",
    });
    this.map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    this.map.once("style.load", () => {
      this.addLayers();
      this.listen();
      this.draw();
    });
    this.tell();
  }

  private addLayers(): void {
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--z-accent").trim();
    this.map.addSource("drawing", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
    this.map.addLayer({ id: "drawing-fill", type: "fill", source: "drawing", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": accent, "fill-opacity": 0.18 } });
    this.map.addLayer({ id: "drawing-line", type: "line", source: "drawing", filter: ["!=", ["geometry-type"], "Point"], paint: { "line-color": accent, "line-width": 2.5 } });
    this.map.addLayer({ id: "drawing-vertex", type: "circle", source: "drawing", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": this.kind === "point" ? 9 : 5.5, "circle-color": this.kind === "point" ? accent : "#ffffff", "circle-stroke-color": this.kind === "point" ? "#ffffff" : accent, "circle-stroke-width": 2.5 } });
  }

  private listen(): void {
    const { map } = this;
    map.on("click", (event) => this.clicked(event));
    map.on("dblclick", (event) => {
      if (this.kind === "point") return;
      event.preventDefault();
      this.finish();
    });
    map.on("mousedown", "drawing-vertex", (event) => {
      event.preventDefault();
      this.drag(event.features?.[0]?.properties as { part: number; place: number });
    });
    map.on("contextmenu", "drawing-vertex", (event) => {
      const at = event.features?.[0]?.properties as { part: number; place: number };
      this.remember();
      this.parts[at.part]?.splice(at.place, 1);
      if (!this.parts[at.part]?.length) {
        this.parts.splice(at.part, 1);
        this.holes.splice(at.part, 1);
      }
      this.write();
    });
    map.on("mousemove", (event) => {
      const place = document.querySelector("[data-coordinates]");
      if (place) place.textContent = `${event.lngLat.lng.toFixed(6)}, ${event.lngLat.lat.toFixed(6)}`;
    });
    map.getCanvas().style.cursor = "crosshair";
    document.querySelector("[data-picker-undo]")?.addEventListener("click", () => this.undo());
    document.querySelector("[data-picker-clear]")?.addEventListener("click", () => {
      this.remember();
      this.parts = [];
      this.holes = [];
      this.open = false;
      this.write();
    });
    const typed = document.querySelector<HTMLInputElement>("[data-picker-lonlat]");
    typed?.addEventListener("change", () => this.typed(typed.value));
    typed?.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.typed(typed.value);
    });
  }

  private clicked(event: MapMouseEvent): void {
    const position = this.snapped(event);
    const known = this.parts.flat().includes(position);
    if (known && !this.open) return;
    if (known && position === this.parts.at(-1)?.[0] && this.parts.at(-1)!.length > 2) {
      this.finish();
      return;
    }
    this.remember();
    if (this.kind === "point") this.parts = [[position]];
    else if (!this.open) {
      // A finished line or area is kept; a further click adds a part to it.
      this.parts.push([position]);
      this.open = true;
    } else this.parts.at(-1)!.push(position);
    this.write();
  }

  /** The position of a vertex that lies under the pointer, else the pointer's own. */
  private snapped(event: MapMouseEvent): Position {
    for (const position of this.parts.flat()) {
      const at = this.map.project(position);
      if (this.kind !== "point" && Math.hypot(at.x - event.point.x, at.y - event.point.y) < SNAP) return position;
    }
    return [round(event.lngLat.lng), round(event.lngLat.lat)];
  }

  private finish(): void {
    const part = this.parts.at(-1);
    // The two clicks of a double click left the same vertex twice.
    while (part && part.length > 1 && String(part.at(-1)) === String(part.at(-2))) part.pop();
    this.open = false;
    this.write();
  }

  private drag(at: { part: number; place: number }): void {
    this.remember();
    const move = (event: MapMouseEvent): void => {
      this.parts[at.part]![at.place] = [round(event.lngLat.lng), round(event.lngLat.lat)];
      this.draw();
    };
    this.map.on("mousemove", move);
    this.map.once("mouseup", () => {
      this.map.off("mousemove", move);
      this.write();
    });
  }

  private typed(text: string): void {
    const [lon, lat] = text.split(/[,，\s]+/).map(Number);
    if (lon === undefined || lat === undefined || Number.isNaN(lon + lat) || Math.abs(lat) > 90) return;
    this.remember();
    this.parts = [[[round(lon), round(lat)]]];
    this.write();
    this.map.easeTo({ center: [lon, lat], zoom: Math.max(this.map.getZoom(), 14) });
  }

  private remember(): void {
    this.past.push(JSON.stringify([this.parts, this.holes, this.open]));
  }

  private undo(): void {
    const before = this.past.pop();
    if (!before) return;
    [this.parts, this.holes, this.open] = JSON.parse(before) as [Position[][], Position[][][], boolean];
    this.write();
  }

  /** Put the drawing into the form's field. */
  private write(): void {
    this.draw();
    const geometry = geometryOf(this.kind, this.parts, this.holes);
    this.input.value = geometry ? JSON.stringify(geometry) : "";
    this.input.dispatchEvent(new Event("change", { bubbles: true }));
    const first = this.parts[0]?.[0];
    if (first && geometry) this.placed(first[0], first[1]);
    this.tell();
  }

  private tell(): void {
    const hint = document.querySelector("[data-picker-hint]");
    if (hint) hint.textContent = words(this.kind === "point" ? "click_to_place" : "click_to_draw");
    const typed = document.querySelector<HTMLInputElement>("[data-picker-lonlat]");
    const first = this.parts[0]?.[0];
    if (typed && document.activeElement !== typed) typed.value = first ? `${first[0].toFixed(6)}, ${first[1].toFixed(6)}` : "";
  }

  private draw(): void {
    const features = this.parts.flatMap((part, number) => {
      const vertices = part.map((position, place) => feature({ type: "Point", coordinates: position }, { part: number, place }));
      if (this.kind === "polygon" && part.length > 2) vertices.unshift(feature({ type: "Polygon", coordinates: [[...part, part[0]!], ...(this.holes[number] ?? [])] }));
      else if (this.kind !== "point" && part.length > 1) vertices.unshift(feature({ type: "LineString", coordinates: part }));
      return vertices;
    });
    (this.map.getSource("drawing") as GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features });
  }
}

function feature(geometry: Geometry, properties: GeoJsonProperties = {}): Feature {
  return { type: "Feature", geometry, properties };
}

function round(degrees: number): number {
  return Number(degrees.toFixed(DIGITS));
}

function boundsOf(positions: Position[]): [number, number, number, number] {
  const xs = positions.map((p) => p[0]);
  const ys = positions.map((p) => p[1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** The outlines of a geometry, which are edited, and the holes of each, which are kept. */
function partsOf(text: string): [Position[][], Position[][][]] {
  if (!text) return [[], []];
  const geometry = JSON.parse(text) as Geometry;
  switch (geometry.type) {
    case "Point":
      return [[[geometry.coordinates as Position]], []];
    case "MultiPoint":
    case "LineString":
      return [[geometry.coordinates as Position[]], []];
    case "MultiLineString":
      return [geometry.coordinates as Position[][], []];
    case "Polygon":
    case "MultiPolygon": {
      const polygons = (geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates) as Position[][][];
      return [polygons.map((rings) => rings[0]!.slice(0, -1)), polygons.map((rings) => rings.slice(1))];
    }
    default:
      return [[], []];
  }
}

/** The drawing as GeoJSON, or null while it is too short to be one. */
function geometryOf(kind: "point" | "line" | "polygon", parts: Position[][], holes: Position[][][]): Geometry | null {
  if (kind === "point") return parts[0]?.[0] ? { type: "Point", coordinates: parts[0][0] } : null;
  const whole = parts.map((part, number) => ({ part, inner: holes[number] ?? [] }));
  const enough = whole.filter(({ part }) => part.length >= (kind === "line" ? 2 : 3));
  if (!enough.length) return null;
  if (kind === "line") {
    const lines = enough.map(({ part }) => part);
    return lines.length === 1 ? { type: "LineString", coordinates: lines[0]! } : { type: "MultiLineString", coordinates: lines };
  }
  const rings = enough.map(({ part, inner }) => [[...part, part[0]!], ...inner]);
  return rings.length === 1 ? { type: "Polygon", coordinates: rings[0]! } : { type: "MultiPolygon", coordinates: rings };
}
