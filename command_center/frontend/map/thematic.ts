// A thematic map on the desk's base map: regions filled by class, points sized by class, or a heat map of points.
import "maplibre-gl/dist/maplibre-gl.css";
import { LngLatBounds, Map as MapLibre, NavigationControl, Popup, ScaleControl, type GeoJSONSource, type LayerSpecification } from "maplibre-gl";
import { classOf, ink, single, written, type Drawing } from "../desk/products/drawing";
import { radius } from "../desk/products/plate";
import { HOUSE, loadStyle, prepare, roleOf } from "./style";

const LAYERS = ["thematic-fill", "thematic-line", "thematic-heat", "thematic-points", "thematic-names"];
const EMPTY = { type: "FeatureCollection" as const, features: [] };

/** The map of a chart. */
export class ThematicMap {
  private shown = "";

  private constructor(readonly map: MapLibre, private readonly font: unknown, private readonly below: string | undefined) {}

  /** Open it in its holder. */
  static async open(holder: HTMLElement): Promise<ThematicMap> {
    prepare();
    const full = await loadStyle(holder.dataset.style!);
    const style = { ...full, layers: full.layers.filter((layer) => roleOf(layer) === "basemap") };
    const map = new MapLibre({
      ...HOUSE, container: holder, style, bounds: [73, 18, 135, 54], maxZoom: 17,
      // A picture is taken of it.
      canvasContextAttributes: { preserveDrawingBuffer: true },
    });
    map.touchZoomRotate.disableRotation();
    map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-right");
    Object.assign(window, { zhutuMap: map });
    await map.once("style.load");
    const font = style.layers.flatMap((l) => (l.type === "symbol" ? [l.layout?.["text-font"]] : [])).find(Boolean);
    const below = style.layers.find((layer) => layer.type === "line" || layer.type === "symbol")?.id;
    map.addSource("thematic-shapes", { type: "geojson", data: EMPTY });
    map.addSource("thematic-places", { type: "geojson", data: EMPTY });
    const made = new ThematicMap(map, font, below);
    for (const id of ["thematic-fill", "thematic-points"]) {
      map.on("click", id, (event) => {
        const { label, text } = (event.features?.[0]?.properties ?? {}) as Record<string, string>;
        const body = document.createElement("div");
        const name = document.createElement("strong");
        name.textContent = label ?? "";
        body.append(name, document.createElement("br"), text ?? "");
        new Popup({ closeButton: false, maxWidth: "260px" }).setLngLat(event.lngLat).setDOMContent(body).addTo(map);
      });
      map.on("mouseenter", id, () => (map.getCanvas().style.cursor = "pointer"));
      map.on("mouseleave", id, () => (map.getCanvas().style.cursor = ""));
    }
    return made;
  }

  /** Show a chart; the view stays where the same places are shown. */
  show(drawing: Drawing): void {
    for (const id of LAYERS) if (this.map.getLayer(id)) this.map.removeLayer(id);
    const values = single(drawing);
    const texts = values.map((value) => `${written(value, drawing)} ${drawing.unit}`.trim());
    const colours = ink();
    const number = Math.max(1, drawing.breaks.length - 1);
    const byKey = new Map(drawing.groups.map(({ key }, n) => [key, n]));
    const shapes = (drawing.shapes?.features ?? []).map((feature) => {
      const n = drawing.form === "fill" ? byKey.get(feature.properties.key) : undefined;
      const value = n === undefined ? null : values[n] ?? null;
      const color = value === null ? colours.nothing : drawing.ramp[classOf(value, drawing.breaks)];
      return { ...feature, properties: { label: feature.properties.name, text: n === undefined ? "—" : texts[n], color } };
    });
    const most = Math.max(1e-9, ...values.map((value) => value ?? 0));
    const places = drawing.groups.flatMap(({ label }, n) => {
      const place = drawing.places?.[n];
      const value = values[n];
      if (!place || value === null || value === undefined) return [];
      const at = classOf(value, drawing.breaks);
      return [{
        type: "Feature" as const, geometry: { type: "Point" as const, coordinates: place },
        properties: { label, text: texts[n], value: written(value, drawing), size: radius(at, number), color: drawing.ramp[at] ?? drawing.ramp[0], weight: Math.max(0, value / most), order: -value },
      }];
    });
    void (this.map.getSource("thematic-shapes") as GeoJSONSource).setData({ type: "FeatureCollection", features: shapes });
    void (this.map.getSource("thematic-places") as GeoJSONSource).setData({ type: "FeatureCollection", features: places });
    this.draw(drawing, colours);
    const here = `${drawing.form}|${drawing.level ?? ""}|${places.length}|${shapes.length}`;
    if (here !== this.shown) this.look(drawing);
    this.shown = here;
  }

  private draw(drawing: Drawing, colours: { text: string; surface: string }): void {
    const add = (layer: LayerSpecification, below?: string): void => void this.map.addLayer(layer, below);
    if (drawing.form === "fill") {
      add({ id: "thematic-fill", type: "fill", source: "thematic-shapes", paint: { "fill-color": ["get", "color"], "fill-opacity": 0.88 } }, this.below);
      add({ id: "thematic-line", type: "line", source: "thematic-shapes", paint: { "line-color": colours.surface, "line-width": 1.4 } });
    } else if (drawing.form === "points") {
      add({
        id: "thematic-points", type: "circle", source: "thematic-places", layout: { "circle-sort-key": ["get", "order"] },
        paint: {
          "circle-radius": ["get", "size"], "circle-color": ["get", "color"], "circle-opacity": 0.86,
          "circle-stroke-color": colours.surface, "circle-stroke-width": 1.4,
        },
      });
    } else {
      const bright = Math.min(1.2, Math.max(0.12, 7 / Math.sqrt(drawing.groups.length)));
      const stops = drawing.ramp.flatMap((color, n) => [0.12 + (0.88 * (n + 1)) / drawing.ramp.length, color]);
      add({
        id: "thematic-heat", type: "heatmap", source: "thematic-places",
        paint: {
          "heatmap-weight": ["max", 0.05, ["get", "weight"]],
          // Few points glow as brightly as many.
          "heatmap-intensity": ["interpolate", ["linear"], ["zoom"], 6, bright * 0.8, 14, bright * 2.4],
          "heatmap-radius": ["interpolate", ["linear"], ["zoom"], 6, 16, 10, 30, 15, 60],
          "heatmap-color": ["interpolate", ["linear"], ["heatmap-density"], 0, "rgba(0,0,0,0)", 0.1, `${drawing.ramp[0]}aa`, ...stops] as never,
          "heatmap-opacity": 0.85,
        },
      });
      add({
        id: "thematic-points", type: "circle", source: "thematic-places", minzoom: 12,
        paint: { "circle-radius": 5, "circle-color": drawing.ramp.at(-1)!, "circle-stroke-color": colours.surface, "circle-stroke-width": 1.2 },
      });
    }
    if (!drawing.look.labels || drawing.form === "ground") return;
    add({
      id: "thematic-names", type: "symbol", source: "thematic-places",
      layout: {
        "text-field": drawing.form === "fill" ? ["get", "value"] : ["format", ["get", "label"], { "font-scale": 0.8 }, "\n", {}, ["get", "value"], {}] as never,
        // The base map has the names of the regions already.
        "text-offset": [0, 1.15], ...(drawing.form === "fill" ? {} : { "text-anchor": "top" as const }),
        ...(this.font ? { "text-font": this.font as string[] } : {}), "text-size": 14, "symbol-sort-key": ["get", "order"],
        "text-allow-overlap": drawing.form === "fill",
      },
      paint: { "text-color": "#10192b", "text-halo-color": "#ffffff", "text-halo-width": 1.6 },
    });
  }

  private look(drawing: Drawing): void {
    const bounds = new LngLatBounds();
    for (const { geometry } of drawing.form === "fill" ? drawing.shapes?.features ?? [] : []) {
      (geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat()).flat().forEach((at) => bounds.extend(at as [number, number]));
    }
    if (drawing.form !== "fill") drawing.places?.forEach((place) => place && bounds.extend(place));
    if (!bounds.isEmpty()) this.map.fitBounds(bounds, { padding: Math.min(56, this.map.getContainer().clientWidth / 14), maxZoom: 13, animate: false });
  }
}
