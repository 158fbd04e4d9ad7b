// A small map of one place or area: the desk's style, a marker or some layers, no list beside it.
import "maplibre-gl/dist/maplibre-gl.css";
import { Map as MapLibre, Marker, NavigationControl } from "maplibre-gl";
import { HOUSE, loadStyle, prepare, roleOf } from "./style";

/** Open the map of every holder on the page. */
export async function show(): Promise<void> {
  prepare();
  for (const holder of document.querySelectorAll<HTMLElement>("[data-spot]")) {
    const center = holder.dataset.spot!.split(",").map(Number) as [number, number];
    const shown = (holder.dataset.spotLayers ?? "").split(",");
    const box = holder.dataset.spotBox?.split(",").map(Number) as [number, number, number, number] | undefined;
    const style = await loadStyle(holder.dataset.style!);
    for (const layer of style.layers) {
      const own = "source" in layer && roleOf(layer) !== "basemap";
      if (own && !shown.includes(String(layer.source))) layer.layout = { ...layer.layout, visibility: "none" };
    }
    const map = new MapLibre({
      ...HOUSE, container: holder, style, center, zoom: 13, maxZoom: 18,
    });
    map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    map.scrollZoom.disable();
    if (box) map.fitBounds(box, { padding: 24, animate: false });
    else new Marker({ color: "#e03131" }).setLngLat(center).addTo(map);
    (window as unknown as { zhutuMap?: MapLibre }).zhutuMap = map;
  }
}
