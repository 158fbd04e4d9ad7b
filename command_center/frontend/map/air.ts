// The map of regions by air quality: each filled in its colour, its number written on it, a click leads to its row.
import "maplibre-gl/dist/maplibre-gl.css";
import { Map as MapLibre, NavigationControl } from "maplibre-gl";
import { HOUSE, loadStyle, prepare, roleOf } from "./style";

interface Region {
  name: string;
  color: string;
  text: string;
  place: [number, number] | null;
}

const STRONG = 0.78;
/** The base map has counties from this zoom on, and without them there is nothing to colour. */
const COUNTIES = 7;

/** Show the map of the page. */
export async function startAir(holder: HTMLElement): Promise<void> {
  prepare();
  const regions = JSON.parse(document.getElementById(holder.dataset.air!)?.textContent ?? "{}") as Record<string, Region>;
  const full = await loadStyle(holder.dataset.style!);
  const style = { ...full, layers: full.layers.filter((layer) => roleOf(layer) === "basemap") };
  const bounds = (holder.dataset.bounds || "73,18,135,54").split(",").map(Number) as [number, number, number, number];
  const map = new MapLibre({
    ...HOUSE, container: holder, style, bounds, fitBoundsOptions: { padding: Math.min(40, holder.clientWidth / 24) },
    minZoom: COUNTIES, maxZoom: 13,
  });
  map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
  Object.assign(window, { zhutuMap: map });
  await map.once("style.load");
  const below = style.layers.find((layer) => layer.type === "line" || layer.type === "symbol")?.id;
  const codes = Object.keys(regions);
  if (codes.length) {
    const colors = ["match", ["get", "id"], ...codes.flatMap((code) => [code, regions[code]!.color]), "rgba(0,0,0,0)"];
    map.addLayer({
      id: "air", type: "fill", source: "regions", "source-layer": "county",
      paint: { "fill-color": colors as never, "fill-opacity": STRONG },
    }, below);
  }
  map.addSource("air-numbers", {
    type: "geojson",
    data: {
      type: "FeatureCollection",
      features: Object.values(regions).filter(({ place }) => place).map(({ name, text, place }) => ({
        type: "Feature", properties: { name, text }, geometry: { type: "Point", coordinates: place! },
      })),
    },
  });
  const font = style.layers.flatMap((l) => (l.type === "symbol" ? [l.layout?.["text-font"]] : [])).find(Boolean);
  map.addLayer({
    id: "air-numbers", type: "symbol", source: "air-numbers",
    layout: { "text-field": ["format", ["get", "name"], { "font-scale": 0.68 }, "\n", {}, ["get", "text"], {}], ...(font ? { "text-font": font } : {}), "text-size": 19, "text-allow-overlap": true },
    // On the colours of the standard, which are those of day in both themes.
    paint: { "text-color": "#10192b", "text-halo-color": "#ffffff", "text-halo-width": 1.6 },
  });
}
