// Surfaces on the map: choose one, see its legend, play its last 48 hours, ask a place for its value.
import { Popup, type LngLat, type Map as MapLibre } from "maplibre-gl";
import { keep } from "../desk/cookies";
import { words } from "../desk/words";
import type { DeskMap } from "./desk-map";
import { Player, type Hour } from "./player";
import { roleOf } from "./style";

interface Choice {
  key: string;
  name: string;
}

interface Told {
  name: string;
  kind: "pollution" | "risk";
  unit: string;
  digits: number;
  region: { code: string; name: string };
  legend: { value: number; color: string; place: number }[];
  gradient: string;
  paint: unknown[];
  extent: [number, number, number, number] | null;
  hours: Hour[];
}

interface Asked {
  value: number | null;
  rmse: number | null;
  unit: string;
  parts: { label: string; value: number }[];
  stations: { id: string; layer: string; title: string; value: number; metres: number }[];
}

const KEPT = 4;
const DAYS = 48;

/** Wire the control; `changed` hears what the address should say: surface, region and hour, or nothing. */
export async function startSurfaces(desk: DeskMap, given: string | null, changed: (text: string) => void): Promise<void> {
  const root = document.querySelector<HTMLDetailsElement>("[data-surfaces]");
  if (!root) return;
  const control = new Surfaces(desk, root, changed);
  let begun = false;
  const begin = async (): Promise<void> => {
    if (begun) return;
    begun = true;
    await control.begin(given);
  };
  root.addEventListener("toggle", () => root.open && void begin());
  if (given) {
    root.open = true;
    await begin();
  }
}

class Surfaces {
  private key = "";
  private told: Told | null = null;
  private opacity = 0.75;
  private readonly drawn = new Map<string, number>();
  private readonly player: Player;
  private readonly popup = new Popup({ closeButton: true, closeOnClick: false, maxWidth: "290px", className: "surface-tip" });
  private serial = 0;

  constructor(
    private readonly desk: DeskMap,
    private readonly root: HTMLElement,
    private readonly changed: (text: string) => void,
  ) {
    this.player = new Player((hour, next) => this.show(hour, next));
    const slider = this.part<HTMLInputElement>("opacity");
    const kept = /(?:^|; )surface_opacity=(\d+)/.exec(document.cookie);
    if (kept) slider.value = kept[1]!;
    this.opacity = Number(slider.value) / 100;
    slider.addEventListener("input", () => {
      this.opacity = Number(slider.value) / 100;
      this.paint();
    });
    slider.addEventListener("change", () => keep("surface_opacity", slider.value));
    this.part("region").addEventListener("change", () => {
      void this.load(this.player.hour?.at).then(() => {
        const extent = this.told?.extent;
        if (extent) this.desk.look([], extent);
      });
    });
    desk.onGround = (place) => this.ask(place);
  }

  /** Fill the choices; `given` is surface,region,hour from the address. */
  async begin(given: string | null): Promise<void> {
    const response = await fetch("/surfaces/choices.json");
    const { surfaces, regions } = (response.ok ? await response.json() : { surfaces: [], regions: [] }) as {
      surfaces: Choice[]; regions: { code: string; name: string }[];
    };
    if (!surfaces.length || !regions.length) {
      this.say(words("no_surfaces"));
      return;
    }
    const [key = "", region = "", at = ""] = (given ?? "").split(",");
    const picks = this.part("picks");
    for (const { key: value, name } of [{ key: "", name: words("none") }, ...surfaces]) {
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "surface", value });
      input.checked = value === key;
      input.addEventListener("change", () => void this.choose(value));
      const text = Object.assign(document.createElement("span"), { textContent: name });
      const label = Object.assign(document.createElement("label"), { className: "pick" });
      label.append(input, text);
      picks.append(label);
    }
    const select = this.part<HTMLSelectElement>("region");
    for (const each of regions) select.append(new Option(each.name, each.code, false, each.code === region));
    if (key) await this.choose(key, at);
  }

  private part<T extends HTMLElement = HTMLElement>(name: string): T {
    return this.root.querySelector<T>(`[data-surface-${name}]`)!;
  }

  private say(text: string): void {
    this.part("note").textContent = text;
  }

  private async choose(key: string, at = ""): Promise<void> {
    this.key = key;
    await this.load(at || this.player.hour?.at);
  }

  private async load(at?: string): Promise<void> {
    const number = ++this.serial;
    this.clear();
    if (!this.key) {
      this.changed("");
      return;
    }
    const region = this.part<HTMLSelectElement>("region").value;
    const response = await fetch(`/surfaces/${this.key}/hours.json?region=${region}&hours=${DAYS}`);
    if (number !== this.serial) return;
    if (!response.ok) {
      this.say(words("failed"));
      return;
    }
    this.told = (await response.json()) as Told;
    this.legend(this.told);
    this.part("name").textContent = this.told.name;
    this.player.open(this.told.hours, at);
  }

  private clear(): void {
    this.popup.remove();
    this.player.close();
    for (const run of [...this.drawn.keys()]) this.drop(run);
    this.told = null;
    this.part("legend").hidden = true;
    this.part("name").textContent = "";
    this.part("run").hidden = this.part("file").hidden = true;
    this.say("");
  }

  private legend(told: Told): void {
    const box = this.part("legend");
    box.hidden = false;
    this.part("title").textContent = told.name;
    this.part("unit").textContent = told.unit;
    box.querySelector<HTMLElement>("i")!.style.background = told.gradient;
    box.querySelector("div")!.replaceChildren(
      ...told.legend.map(({ value, place }) => {
        const tick = Object.assign(document.createElement("span"), { textContent: String(value) });
        tick.style.left = `${place}%`;
        return tick;
      }),
    );
  }

  private show(hour: Hour, next: Hour | undefined): void {
    const { told } = this;
    if (!told) return;
    this.popup.remove();
    this.changed([this.key, told.region.code, hour.at.slice(0, 13)].join(","));
    for (const wanted of [hour, next]) if (wanted?.run && !wanted.why) this.draw(wanted);
    this.paint();
    this.trim(hour, next);
    const link = this.part<HTMLAnchorElement>("run");
    const file = this.part<HTMLAnchorElement>("file");
    link.hidden = !hour.run;
    file.hidden = !hour.run || Boolean(hour.why) || told.kind === "risk";
    link.href = `/desk/surfaces/${hour.run ?? ""}`;
    file.href = `/surfaces/${hour.run ?? ""}/surface.tif`;
    this.say(hour.why || this.sentence(hour, told));
  }

  private sentence(hour: Hour, told: Told): string {
    if (told.kind === "risk") return `${words("events")} ${hour.used ?? 0} · ${words("highest")} ${(hour.high ?? 0).toFixed(0)}`;
    const error = hour.rmse === null || hour.rmse === undefined ? "—" : `${hour.rmse.toFixed(told.digits || 1)} ${told.unit}`;
    return `${words("valid_stations")} ${hour.used ?? 0}/${hour.stations ?? 0} · ${words("error")} ±${error}`;
  }

  /** Add a run's tiles, unseen as yet: the browser fetches them ahead. */
  private draw(hour: Hour): void {
    const run = hour.run!;
    const id = `surface-${run}`;
    const { map } = this.desk;
    if (map.getSource(id)) return;
    const address = `${location.origin}/surfaces/${run}/{z}/{x}/{y}`;
    const bounds = this.told?.extent ? { bounds: this.told.extent } : {};
    // Over the land, under borders, names and whatever the layers draw.
    const below = map.getStyle().layers.find((l) => l.type === "line" || l.type === "symbol" || (roleOf(l) !== "basemap" && roleOf(l) !== "surface"))?.id;
    if (this.told?.kind === "risk") {
      map.addSource(id, { type: "vector", tiles: [`${address}.mvt?v=${hour.revision ?? 0}`], maxzoom: 14, ...bounds });
      map.addLayer({
        id, type: "fill", source: id, "source-layer": "cells", metadata: { "zhutu:role": "surface" },
        paint: { "fill-color": this.told.paint as never, "fill-opacity": 0, "fill-opacity-transition": { duration: 0 }, "fill-outline-color": "rgba(255,255,255,.35)" },
      }, below);
    } else {
      map.addSource(id, { type: "raster", tiles: [`${address}.png?v=${hour.revision ?? 0}`], tileSize: 256, maxzoom: 13, ...bounds });
      map.addLayer({
        id, type: "raster", source: id, metadata: { "zhutu:role": "surface" },
        paint: { "raster-opacity": 0, "raster-fade-duration": 0, "raster-opacity-transition": { duration: 0 } },
      }, below);
    }
    this.drawn.set(run, Date.now());
  }

  /** The chosen hour shows, the others wait. */
  private paint(): void {
    const shown = this.player.hour;
    for (const run of this.drawn.keys()) {
      const property = this.told?.kind === "risk" ? "fill-opacity" : "raster-opacity";
      this.desk.map.setPaintProperty(`surface-${run}`, property, shown && !shown.why && run === shown.run ? this.opacity : 0);
    }
  }

  private trim(...kept: (Hour | undefined)[]): void {
    const stay = new Set(kept.map((hour) => hour?.run));
    const old = [...this.drawn.keys()].filter((run) => !stay.has(run));
    for (const run of old.slice(0, Math.max(0, this.drawn.size - KEPT))) this.drop(run);
  }

  private drop(run: string): void {
    const map: MapLibre = this.desk.map;
    map.removeLayer(`surface-${run}`);
    map.removeSource(`surface-${run}`);
    this.drawn.delete(run);
  }

  /** Ask what the surface says at a place; false where none shows. */
  private ask(place: LngLat): boolean {
    const { hour } = this.player;
    if (!this.told || !hour?.run || hour.why) return false;
    const { told } = this;
    void fetch(`/surfaces/${hour.run}/value.json?lon=${place.lng.toFixed(6)}&lat=${place.lat.toFixed(6)}`)
      .then(async (response) => (response.ok ? ((await response.json()) as Asked) : null))
      .then((asked) => {
        if (asked && asked.value !== null) this.popup.setLngLat(place).setDOMContent(saying(asked, told)).addTo(this.desk.map);
        else this.popup.remove();
      });
    return true;
  }
}

function saying(asked: Asked, told: Told): HTMLElement {
  const box = document.createElement("div");
  const line = (tag: string, text: string, name = ""): HTMLElement => Object.assign(document.createElement(tag), { textContent: text, className: name });
  const digits = told.kind === "risk" ? 0 : told.digits;
  box.append(line("strong", `${told.name} ${(asked.value ?? 0).toFixed(digits)} ${asked.unit}`));
  if (asked.rmse !== null) box.append(line("p", `${words("error")} ±${asked.rmse.toFixed(Math.max(1, digits))} ${asked.unit}`, "muted"));
  const list = line("ul", "");
  for (const part of asked.parts) list.append(line("li", `${part.label}  ${part.value.toFixed(2)}`));
  for (const station of asked.stations) {
    const link = Object.assign(document.createElement("a"), { href: `/desk/${station.layer}/${station.id}`, textContent: station.title });
    link.dataset.open = `${station.layer}/${station.id}`;
    const row = line("li", "");
    row.append(link, line("b", station.value.toFixed(digits)), line("small", station.metres < 1000 ? `${station.metres.toFixed(0)} m` : `${(station.metres / 1000).toFixed(1)} km`));
    list.append(row);
  }
  if (list.childElementCount) box.append(list);
  return box;
}
