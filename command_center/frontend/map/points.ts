// A map of measured points drawn from the page: a dot or a wind arrow each, what it measures beside it, alarms that pulse.
import "maplibre-gl/dist/maplibre-gl.css";
import { Map as MapLibre, Marker, NavigationControl, ScaleControl, type GeoJSONSource } from "maplibre-gl";
import { HOUSE, loadStyle, prepare, roleOf } from "./style";

/** A point as the map shows it. */
export interface Spot {
  id: string;
  place: [number, number];
  label: string;
  color: string;
  /** Whither an arrow points, in degrees from north; without one a dot is drawn. */
  angle?: number | null;
  /** Drawn hollow: nothing holds now. */
  hollow?: boolean;
  /** Whose label goes first where there is no room for all. */
  rank?: number;
  /** The level of an alarm that waits. */
  alarm?: string;
}

const LEVELS: Record<string, string> = { red: "#e03131", orange: "#f76707", yellow: "#f2b705", blue: "#1c7ed6" };
/** Pixels across that a symbol needs for itself. */
const ROOM = 20;
/** Markers that pulse; more alarms than these are known by their colour alone. */
const MOST_PULSES = 200;

/** The map of a page of points. */
export class PointsMap {
  private readonly pulses = new Map<string, Marker>();

  private constructor(private readonly map: MapLibre) {}

  /** Open it in its holder; `pick` hears the point that was clicked, and where. */
  static async open(holder: HTMLElement, pick: (id: string, place: [number, number], map: MapLibre) => void): Promise<PointsMap> {
    prepare();
    const full = await loadStyle(holder.dataset.style!);
    const style = { ...full, layers: full.layers.filter((layer) => roleOf(layer) === "basemap") };
    const bounds = (holder.dataset.bounds || "73,18,135,54").split(",").map(Number) as [number, number, number, number];
    const map = new MapLibre({
      ...HOUSE, container: holder, style, bounds, fitBoundsOptions: { padding: 60, maxZoom: 13 }, maxZoom: 18,
    });
    map.touchZoomRotate.disableRotation();
    map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-left");
    Object.assign(window, { zhutuMap: map });
    await map.once("style.load");
    const text = getComputedStyle(holder).getPropertyValue("--z-text").trim() || "#10192b";
    const ground = getComputedStyle(holder).getPropertyValue("--z-surface").trim() || "#ffffff";
    map.addImage("wind-arrow", arrow(), { sdf: true, pixelRatio: 2 });
    map.addSource("points", { type: "geojson", data: { type: "FeatureCollection", features: [] }, promoteId: "id" });
    map.addLayer({
      id: "points-dot", type: "circle", source: "points", filter: ["!", ["has", "angle"]],
      paint: {
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 6, 5, 12, 9],
        "circle-color": ["case", ["get", "hollow"], ground, ["get", "color"]],
        "circle-stroke-color": ["case", ["get", "hollow"], ["get", "color"], ground], "circle-stroke-width": 2,
      },
    });
    map.addLayer({
      id: "points-arrow", type: "symbol", source: "points", filter: ["has", "angle"],
      layout: {
        "icon-image": "wind-arrow", "icon-rotate": ["get", "angle"], "icon-rotation-alignment": "map",
        "icon-allow-overlap": true, "icon-ignore-placement": true,
      },
      paint: { "icon-color": ["get", "color"], "icon-halo-color": ground, "icon-halo-width": 1.2 },
    });
    const font = style.layers.flatMap((l) => (l.type === "symbol" ? [l.layout?.["text-font"]] : [])).find(Boolean);
    map.addLayer({
      id: "points-label", type: "symbol", source: "points",
      layout: {
        "text-field": ["get", "label"], ...(font ? { "text-font": font } : {}), "text-size": 13,
        // Outside the ring that pulses around an alarm.
        "text-radial-offset": ["case", ["==", ["coalesce", ["get", "alarm"], ""], ""], 1.1, 1.5],
        "text-variable-anchor": ["top", "bottom", "left", "right"], "symbol-sort-key": ["get", "rank"], "text-padding": 1,
      },
      paint: { "text-color": text, "text-halo-color": ground, "text-halo-width": 1.8 },
    });
    // Nothing to see: it keeps the place of the symbol itself free of the numbers of its neighbours.
    map.addImage("points-room", { width: ROOM, height: ROOM, data: new Uint8Array(ROOM * ROOM * 4) });
    map.addLayer({
      id: "points-room", type: "symbol", source: "points",
      layout: { "icon-image": "points-room", "icon-allow-overlap": true, "icon-padding": 0 },
    });
    const made = new PointsMap(map);
    for (const layer of ["points-dot", "points-arrow"]) {
      map.on("click", layer, (event) => {
        const feature = event.features?.[0];
        if (feature?.geometry.type === "Point") pick(String(feature.properties.id), feature.geometry.coordinates as [number, number], map);
      });
      map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
      map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
    }
    return made;
  }

  /** Show these points and no others. */
  show(spots: Spot[]): void {
    const features = spots.map(({ place, angle, ...rest }) => ({
      type: "Feature" as const, geometry: { type: "Point" as const, coordinates: place },
      properties: { hollow: false, rank: 0, ...rest, ...(angle === null || angle === undefined ? {} : { angle }) },
    }));
    void (this.map.getSource("points") as GeoJSONSource).setData({ type: "FeatureCollection", features });
    this.pulse(spots.filter((spot) => spot.alarm).slice(0, MOST_PULSES));
  }

  /** Go to a point. */
  look(place: [number, number]): void {
    this.map.easeTo({ center: place, zoom: Math.max(this.map.getZoom(), 13), duration: 600 });
  }

  private pulse(spots: Spot[]): void {
    const wanted = new Map(spots.map((spot) => [spot.id, spot]));
    for (const [id, marker] of this.pulses) {
      if (wanted.has(id)) continue;
      marker.remove();
      this.pulses.delete(id);
    }
    for (const [id, spot] of wanted) {
      let marker = this.pulses.get(id);
      if (!marker) {
        const ring = document.createElement("div");
        ring.className = "alarm-pulse";
        ring.setAttribute("aria-hidden", "true");
        marker = new Marker({ element: ring }).setLngLat(spot.place).addTo(this.map);
        this.pulses.set(id, marker);
      }
      marker.setLngLat(spot.place);
      marker.getElement().style.setProperty("--c", LEVELS[spot.alarm ?? ""] ?? "#e03131");
    }
  }
}

/** An arrow that points north, for the map to turn and colour: the distance from its edge, as MapLibre wants it. */
function arrow(): ImageData {
  const size = 48;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d")!;
  pen.fillStyle = "#000";
  pen.filter = "blur(1px)";
  pen.beginPath();
  for (const [x, y] of [[24, 4], [36, 20], [27.5, 17.5], [27.5, 44], [20.5, 44], [20.5, 17.5], [12, 20]] as const) pen.lineTo(x, y);
  pen.closePath();
  pen.fill();
  return pen.getImageData(0, 0, size, size);
}
