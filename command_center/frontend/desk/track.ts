// The track of the open vehicle on the desk's map: coloured by speed, stops as points, played back.
import type { Feature, LineString, Point } from "geojson";
import type { ExpressionSpecification, GeoJSONSource, Map as MapLibre } from "maplibre-gl";
import { openMap } from "../map/desk-map";

/** Seconds, longitude, latitude, km/h, degrees from north. */
type Fix = [number, number, number, number, number];

interface Told {
  points: Fix[];
  /** Longitude, latitude, begin, end. */
  stops: [number, number, number, number][];
  /** From this speed on, this colour. */
  speeds: [number, string][];
  /** Seconds without a fix that break the line. */
  pause: number;
}

const LAYERS = ["track-casing", "track-line", "track-stops", "track-vehicle"];
const SOURCES = ["track", "track-stops", "track-vehicle"];
const ARROW = "track-arrow";
const BEIJING = 8 * 3600;

let shown: Track | null = null;

/** Draw the track that the panel holds, where it is not drawn yet; forget one whose panel is gone. */
export function startTrack(): void {
  const holder = document.querySelector<HTMLElement>("[data-track]");
  const map = openMap();
  if (!holder || !map) {
    if (!holder) shown?.remove();
    return;
  }
  const told = JSON.parse(holder.dataset.track ?? "{}") as Told;
  delete holder.dataset.track;
  shown?.remove();
  shown = new Track(map, holder, told);
}

class Track {
  private readonly play: HTMLButtonElement;
  private readonly seek: HTMLInputElement;
  private readonly pace: HTMLSelectElement;
  private readonly now: HTMLOutputElement;
  private readonly begin: number;
  private readonly end: number;
  private at: number;
  private frame = 0;
  private last = 0;

  constructor(
    private readonly map: MapLibre,
    private readonly holder: HTMLElement,
    private readonly told: Told,
  ) {
    this.play = holder.querySelector("[data-play]")!;
    this.seek = holder.querySelector("[data-seek]")!;
    this.pace = holder.querySelector("[data-pace]")!;
    this.now = holder.querySelector("[data-now]")!;
    this.begin = told.points[0]?.[0] ?? 0;
    this.end = told.points.at(-1)?.[0] ?? 0;
    this.at = this.begin;
    this.clear();
    this.draw();
    this.look(told.points);
    this.go(this.begin);
    this.listen();
  }

  /** Take the track off the map. */
  remove(): void {
    cancelAnimationFrame(this.frame);
    this.clear();
    if (shown === this) shown = null;
  }

  private clear(): void {
    for (const layer of LAYERS) if (this.map.getLayer(layer)) this.map.removeLayer(layer);
    for (const source of SOURCES) if (this.map.getSource(source)) this.map.removeSource(source);
  }

  private draw(): void {
    const { map, told } = this;
    const colour = ["step", ["get", "speed"], told.speeds[0]![1], ...told.speeds.slice(1).flat()] as ExpressionSpecification;
    const surface = getComputedStyle(document.documentElement).getPropertyValue("--z-surface").trim();
    const round = { "line-cap": "round", "line-join": "round" } as const;
    map.addSource("track", { type: "geojson", data: { type: "FeatureCollection", features: lines(told) } });
    map.addSource("track-stops", { type: "geojson", data: { type: "FeatureCollection", features: stops(told) } });
    map.addSource("track-vehicle", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
    if (!map.hasImage(ARROW)) map.addImage(ARROW, arrow(), { pixelRatio: 2 });
    map.addLayer({ id: "track-casing", type: "line", source: "track", layout: round, paint: { "line-color": surface, "line-width": 7, "line-opacity": 0.85 } });
    map.addLayer({ id: "track-line", type: "line", source: "track", layout: round, paint: { "line-color": colour, "line-width": 4 } });
    map.addLayer({ id: "track-stops", type: "circle", source: "track-stops", paint: { "circle-radius": ["interpolate", ["linear"], ["get", "minutes"], 3, 5, 60, 10], "circle-color": surface, "circle-stroke-color": "#6b4fc8", "circle-stroke-width": 3 } });
    map.addLayer({ id: "track-vehicle", type: "symbol", source: "track-vehicle", layout: { "icon-image": ARROW, "icon-rotate": ["get", "heading"], "icon-rotation-alignment": "map", "icon-allow-overlap": true, "icon-ignore-placement": true } });
  }

  private listen(): void {
    this.play.addEventListener("click", () => (this.frame ? this.stop() : this.run()));
    this.seek.addEventListener("input", () => {
      this.stop();
      this.go(this.begin + (Number(this.seek.value) / 1000) * (this.end - this.begin));
    });
    document.querySelectorAll<HTMLElement>("[data-leg]").forEach((row) => {
      const choose = (): void => {
        const [begin, end] = row.dataset.leg!.split(",").map(Number) as [number, number];
        this.stop();
        this.go(Math.max(this.begin, begin));
        this.look(this.told.points.filter(([at]) => at >= begin && at <= end));
      };
      row.addEventListener("click", choose);
      row.addEventListener("keydown", (event) => {
        if (event.key === "Enter") choose();
      });
    });
    // The panel may close, or show another tab or feature.
    new MutationObserver((_records, observer) => {
      if (this.holder.isConnected) return;
      observer.disconnect();
      this.remove();
    }).observe(document.getElementById("panel")!, { childList: true, subtree: true });
  }

  private run(): void {
    if (this.at >= this.end) this.at = this.begin;
    this.play.setAttribute("aria-pressed", "true");
    this.last = performance.now();
    const step = (moment: number): void => {
      this.go(this.at + ((moment - this.last) / 1000) * Number(this.pace.value));
      this.last = moment;
      if (this.at < this.end) this.frame = requestAnimationFrame(step);
      else this.stop();
    };
    this.frame = requestAnimationFrame(step);
  }

  private stop(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.play.setAttribute("aria-pressed", "false");
  }

  /** Put the vehicle where it was at a moment. */
  private go(at: number): void {
    const { points, pause } = this.told;
    this.at = Math.min(this.end, at);
    let low = 0;
    let high = points.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (points[middle]![0] <= this.at) low = middle;
      else high = middle - 1;
    }
    const from = points[low];
    if (!from) return;
    const to = points[low + 1] ?? from;
    const gap = to[0] - from[0];
    const share = gap > 0 && gap <= pause ? (this.at - from[0]) / gap : 0;
    const place = [from[1] + (to[1] - from[1]) * share, from[2] + (to[2] - from[2]) * share];
    const vehicle: Feature<Point> = { type: "Feature", properties: { heading: from[4] }, geometry: { type: "Point", coordinates: place } };
    (this.map.getSource("track-vehicle") as GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features: [vehicle] });
    this.seek.value = String(this.end > this.begin ? ((this.at - this.begin) / (this.end - this.begin)) * 1000 : 0);
    this.now.textContent = `${clock(this.at)} · ${from[3].toFixed(0)} km/h`;
  }

  private look(points: Fix[]): void {
    if (!points.length) return;
    const lons = points.map((p) => p[1]);
    const lats = points.map((p) => p[2]);
    this.map.fitBounds([Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)], { padding: 70, maxZoom: 16, duration: 500 });
  }
}

/** A line for each stretch of one speed class, broken where nothing was heard. */
function lines({ points, speeds, pause }: Told): Feature<LineString>[] {
  const classOf = (speed: number): number => speeds.filter(([low]) => speed >= low).length;
  const found: Feature<LineString>[] = [];
  let line: [number, number][] = [];
  let speed = 0;
  const finish = (): void => {
    if (line.length > 1) found.push({ type: "Feature", properties: { speed }, geometry: { type: "LineString", coordinates: line } });
  };
  points.forEach((point, n) => {
    const before = points[n - 1];
    if (before && point[0] - before[0] > pause) {
      finish();
      line = [];
    } else if (before && line.length && classOf(point[3]) !== classOf(speed)) {
      finish();
      line = [[before[1], before[2]]];
    }
    speed = point[3];
    line.push([point[1], point[2]]);
  });
  finish();
  return found;
}

function stops({ stops: told }: Told): Feature<Point>[] {
  return told.map(([lon, lat, begin, end]) => ({
    type: "Feature", properties: { minutes: (end - begin) / 60 }, geometry: { type: "Point", coordinates: [lon, lat] },
  }));
}

/** A moment as the clocks in China show it, whatever the browser's own. */
function clock(seconds: number): string {
  return new Date((seconds + BEIJING) * 1000).toISOString().slice(5, 19).replace("T", " ");
}

/** An arrow in a disc, pointing north. */
function arrow(): ImageData {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 64;
  const pen = canvas.getContext("2d")!;
  pen.beginPath();
  pen.arc(32, 32, 27, 0, 2 * Math.PI);
  pen.fillStyle = "#0b62d6";
  pen.fill();
  pen.lineWidth = 5;
  pen.strokeStyle = "#ffffff";
  pen.stroke();
  pen.beginPath();
  pen.moveTo(32, 12);
  pen.lineTo(45, 44);
  pen.lineTo(32, 37);
  pen.lineTo(19, 44);
  pen.closePath();
  pen.fillStyle = "#ffffff";
  pen.fill();
  return pen.getImageData(0, 0, 64, 64);
}
