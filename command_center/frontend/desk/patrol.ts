// One's own patrol: where the phone is, the track that it records, check-ins. What is recorded stays in the phone until
// the platform has it: a tunnel, a dead battery or a closed page loses nothing that was measured.
import "maplibre-gl/dist/maplibre-gl.css";
import type { Feature } from "geojson";
import { Map as MapLibre, Marker, type GeoJSONSource } from "maplibre-gl";
import { HOUSE, loadStyle, prepare, roleOf } from "../map/style";
import { words } from "./words";

interface Fix {
  at: string;
  lon: number;
  lat: number;
  accuracy: number;
  speed: number | null;
  heading: number | null;
}

/** What the map shows to find one's way. */
const SHOWN = new Set(["projects", "roads", "water", "buildings"]);
/** Seconds between two deliveries, and between two recorded fixes of a phone that lies still. */
const SEND = 10;
const STILL = 20;
/** Metres from which on a fix is another place. */
const STEP = 5;
const BATCH = 200;
const MOST_KEPT = 20_000;
const EARTH = 6_371_008.8;

/** Start the page of the patrol. */
export async function startPatrol(root: HTMLElement): Promise<void> {
  prepare();
  const holder = root.querySelector<HTMLElement>("#map")!;
  const told = JSON.parse(root.dataset.day ?? "{}") as { fixes: [number, number, number][] };
  const style = await loadStyle(holder.dataset.style!);
  for (const layer of style.layers) {
    const own = "source" in layer && roleOf(layer) !== "basemap" && !SHOWN.has(String(layer.source));
    if (own) layer.layout = { ...layer.layout, visibility: "none" };
  }
  const line = told.fixes.map(([, lon, lat]) => [lon, lat] as [number, number]);
  const map = new MapLibre({
    ...HOUSE, container: holder, style, center: line.at(-1) ?? [107.5, 31.2], zoom: line.length ? 14 : 9,
    maxZoom: 18,
  });
  (window as unknown as { zhutuMap?: MapLibre }).zhutuMap = map;
  await map.once("load");
  const patrol = new Patrol(root, map, line);
  if ("today" in root.dataset) patrol.watch();
}

class Patrol {
  private readonly key: string;
  private readonly marker: Marker;
  private here: Fix | null = null;
  private last: Fix | null = null;
  private looked: Fix | null = null;
  private recording: boolean;
  private sending = false;
  private follows = true;
  private lock: WakeLockSentinel | null = null;

  constructor(
    private readonly root: HTMLElement,
    private readonly map: MapLibre,
    private readonly line: [number, number][],
  ) {
    this.key = `patrol:${root.dataset.patrol}`;
    this.recording = localStorage.getItem(`${this.key}:on`) === "1";
    const dot = document.createElement("div");
    dot.className = "patrol-dot";
    this.marker = new Marker({ element: dot });
    map.addSource("patrol", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
    map.addSource("patrol-accuracy", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
    map.addLayer({ id: "patrol-accuracy", type: "fill", source: "patrol-accuracy", paint: { "fill-color": "#2f6fd6", "fill-opacity": 0.15 } });
    const round = { "line-cap": "round", "line-join": "round" } as const;
    map.addLayer({ id: "patrol-casing", type: "line", source: "patrol", layout: round, paint: { "line-color": "#ffffff", "line-width": 8, "line-opacity": 0.85 } });
    map.addLayer({ id: "patrol-line", type: "line", source: "patrol", layout: round, paint: { "line-color": "#d9480f", "line-width": 4.5 } });
    this.draw();
    map.on("dragstart", () => (this.follows = false));
    if (line.length > 1) this.fit();
  }

  /** Follow the phone. */
  watch(): void {
    this.show();
    this.part("go").addEventListener("click", () => this.toggle());
    this.part("here").addEventListener("click", () => {
      this.follows = true;
      this.look();
    });
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("submit", (event) => void this.submitted(event));
    window.addEventListener("online", () => void this.send());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") void this.send();
      else void this.awake();
    });
    window.setInterval(() => void this.send(), SEND * 1000);
    void this.awake();
    if (!("geolocation" in navigator)) return this.say(words("patrol-none"), "bad");
    navigator.geolocation.watchPosition(
      (position) => this.moved(position),
      (error) => this.say(words(error.code === error.PERMISSION_DENIED ? "patrol-denied" : "patrol-lost"), "bad"),
      { enableHighAccuracy: true, maximumAge: 0, timeout: 30_000 },
    );
  }

  private moved({ coords, timestamp }: GeolocationPosition): void {
    const { longitude: lon, latitude: lat, accuracy, speed, heading } = coords;
    const fix: Fix = {
      at: new Date(timestamp).toISOString(), lon, lat, accuracy, speed: finite(speed), heading: finite(heading),
    };
    this.here = fix;
    this.part("place").textContent = `${lon.toFixed(5)}, ${lat.toFixed(5)}`;
    this.part("accuracy").textContent = `± ${Math.round(accuracy)} m`;
    this.marker.setLngLat([lon, lat]).addTo(this.map);
    this.source("patrol-accuracy").setData(circle(lon, lat, accuracy));
    if (this.follows) this.look();
    const rested = this.last ? (Date.parse(fix.at) - Date.parse(this.last.at)) / 1000 : Infinity;
    if (this.recording && (rested >= STILL || !this.last || metres(this.last, fix) >= STEP)) this.keep(fix);
    if (!this.looked || metres(this.looked, fix) > 100) void this.around();
    this.show();
  }

  private keep(fix: Fix): void {
    this.last = fix;
    const queue = this.queue();
    queue.push(fix);
    this.store(queue.slice(-MOST_KEPT));
    this.line.push([fix.lon, fix.lat]);
    this.draw();
  }

  private toggle(): void {
    this.recording = !this.recording;
    localStorage.setItem(`${this.key}:on`, this.recording ? "1" : "");
    if (this.recording && this.here) this.keep(this.here);
    else this.last = null;
    void this.awake();
    void this.send();
    this.show();
  }

  /** Hand over what is recorded, the oldest first; what the platform refuses would be refused again. */
  private async send(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    try {
      for (let part = this.queue().slice(0, BATCH); part.length; part = this.queue().slice(0, BATCH)) {
        const answer = await fetch(this.root.dataset.fixes!, {
          method: "POST", keepalive: true, body: JSON.stringify(part),
          headers: { "Content-Type": "application/json", "X-CSRFToken": this.token() },
        });
        if (!answer.ok && answer.status !== 400) {
          this.say(words(answer.status === 401 || answer.status === 403 ? "patrol-login" : "patrol-kept"), "bad");
          break;
        }
        this.store(this.queue().slice(part.length));
        this.show();
      }
    } catch {
      this.say(words("patrol-kept"), "bad"); // no network: it stays in the phone
    } finally {
      this.sending = false;
    }
  }

  private async around(): Promise<void> {
    if (!this.here || this.root.querySelector("[data-check-in-form]")) return;
    this.looked = this.here;
    const query = new URLSearchParams({ lon: String(this.here.lon), lat: String(this.here.lat) });
    await this.into("#patrol-near", `${this.root.dataset.near}?${query}`);
    this.part<HTMLButtonElement>("look").disabled = false;
  }

  private clicked(event: Event): void {
    const target = (event.target as Element).closest<HTMLElement>("[data-check-in], [data-look]");
    if (!target) return;
    if (target.dataset.checkIn) void this.into("#patrol-near", target.dataset.checkIn);
    else {
      this.root.querySelector("[data-check-in-form]")?.remove();
      void this.around();
    }
  }

  private async submitted(event: SubmitEvent): Promise<void> {
    const form = event.target as HTMLFormElement;
    if (!form.matches("[data-check-in-form]")) return;
    event.preventDefault();
    const trouble = form.querySelector<HTMLElement>("[data-error]")!;
    if (!this.here) return;
    const body = new FormData(form);
    for (const name of ["at", "lon", "lat", "accuracy"] as const) body.set(name, String(this.here[name]));
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { "X-CSRFToken": this.token() } });
      if (answer.ok) {
        this.root.querySelector("#patrol-visits")!.innerHTML = await answer.text();
        this.part("visits-count").textContent = String(this.root.querySelectorAll("#patrol-visits li").length);
        form.remove();
        await this.around();
        return;
      }
      trouble.textContent = ((await answer.json()) as { detail?: string }).detail ?? String(answer.status);
    } catch {
      trouble.textContent = words("patrol-offline");
    }
    trouble.hidden = false;
  }

  private async into(place: string, address: string): Promise<void> {
    try {
      const answer = await fetch(address, { headers: { "HX-Request": "true" } });
      if (answer.ok) this.root.querySelector(place)!.innerHTML = await answer.text();
    } catch {
      // Without network the list stays as it was.
    }
  }

  /** Keep the screen on while recording, where the browser can. */
  private async awake(): Promise<void> {
    if (!this.recording) {
      await this.lock?.release();
      this.lock = null;
    } else if ("wakeLock" in navigator && document.visibilityState === "visible") {
      this.lock = await navigator.wakeLock.request("screen").catch(() => null);
    }
  }

  private show(): void {
    const button = this.part<HTMLButtonElement>("go");
    button.setAttribute("aria-pressed", String(this.recording));
    this.part("queued").textContent = String(this.queue().length);
    if (this.here) this.say(words(this.recording ? "patrol-recording" : "patrol-located"), this.recording ? "on" : "ok");
  }

  private say(text: string, tone: string): void {
    this.part("state").textContent = text;
    this.part("state").closest<HTMLElement>(".patrol-state")!.dataset.tone = tone;
  }

  private look(): void {
    if (this.here) this.map.easeTo({ center: [this.here.lon, this.here.lat], zoom: Math.max(this.map.getZoom(), 15), duration: 400 });
  }

  private fit(): void {
    const lons = this.line.map(([lon]) => lon);
    const lats = this.line.map(([, lat]) => lat);
    const corners: [number, number, number, number] = [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
    this.map.fitBounds(corners, { padding: 40, maxZoom: 16, animate: false });
  }

  private draw(): void {
    const track: Feature = { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: this.line } };
    this.source("patrol").setData({ type: "FeatureCollection", features: this.line.length > 1 ? [track] : [] });
  }

  private source(name: string): GeoJSONSource {
    return this.map.getSource(name)!;
  }

  private queue(): Fix[] {
    return JSON.parse(localStorage.getItem(`${this.key}:queue`) ?? "[]") as Fix[];
  }

  private store(queue: Fix[]): void {
    localStorage.setItem(`${this.key}:queue`, JSON.stringify(queue));
    this.part("queued").textContent = String(queue.length);
  }

  private token(): string {
    return this.root.querySelector<HTMLInputElement>("[name=csrfmiddlewaretoken]")!.value;
  }

  private part<E extends HTMLElement = HTMLElement>(name: string): E {
    return this.root.querySelector<E>(`[data-${name}]`)!;
  }
}

function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}

/** Metres between two fixes on the sphere. */
function metres(a: Fix, b: Fix): number {
  const rad = Math.PI / 180;
  const x = (b.lon - a.lon) * rad * Math.cos(((a.lat + b.lat) / 2) * rad);
  const y = (b.lat - a.lat) * rad;
  return Math.hypot(x, y) * EARTH;
}

/** A circle of so many metres. */
function circle(lon: number, lat: number, radius: number): Feature {
  const up = (radius / EARTH) * (180 / Math.PI);
  const across = up / Math.cos((lat * Math.PI) / 180);
  const ring = Array.from({ length: 49 }, (_none, n) => {
    const angle = (n / 24) * Math.PI;
    return [lon + across * Math.cos(angle), lat + up * Math.sin(angle)];
  });
  return { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [ring] } };
}
