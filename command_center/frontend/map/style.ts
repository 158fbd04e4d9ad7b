// The style from the server, with our own origin before every address in it; MapLibre's worker from our own files.
import { setWorkerUrl, type LayerSpecification, type MapOptions, type StyleSpecification } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";

/** Fonts from which the browser draws Chinese characters on the map. */
const CHINESE = "'Noto Sans SC','Noto Sans CJK SC','PingFang SC','Microsoft YaHei','Source Han Sans SC',sans-serif";

/** What every map is made with: north is up, and nothing fades for who wishes less motion (MapLibre heeds that itself only where it flies). */
export const HOUSE: Partial<MapOptions> = {
  attributionControl: false, dragRotate: false, pitchWithRotate: false, localIdeographFontFamily: CHINESE,
  fadeDuration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 300,
};

/** Tell MapLibre where its worker is: a file of ours, as the content security policy demands. */
export function prepare(): void {
  setWorkerUrl(new URL(workerUrl, location.href).href);
}

/** Fetch a style and make its addresses whole. */
export async function loadStyle(address: string): Promise<StyleSpecification> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`the style answered ${response.status}`);
  const style = (await response.json()) as StyleSpecification;
  const whole = (url: string): string => (url.startsWith("/") ? location.origin + url : url);
  if (style.glyphs) style.glyphs = whole(style.glyphs);
  if (typeof style.sprite === "string") style.sprite = whole(style.sprite);
  for (const source of Object.values(style.sources)) {
    if ("tiles" in source && source.tiles) source.tiles = source.tiles.map(whole);
  }
  return style;
}

/** What a layer of the style is for; see styles/maplibre.py. */
export function roleOf(layer: Pick<LayerSpecification, "metadata">): string {
  return (layer.metadata as Record<string, string> | undefined)?.["zhutu:role"] ?? "";
}
