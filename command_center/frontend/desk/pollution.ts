// The large map of all points by how near each is to its limit: told values change it at once, classes may be hidden.
import { Popup, type Map as MapLibre } from "maplibre-gl";
import { PointsMap, type Spot } from "../map/points";
import { hear, type Row } from "./live";

interface Point {
  id: string;
  name: string;
  place: [number, number];
  region: string;
  value: number | null;
  /** Seconds since 1970. */
  at: number | null;
  fresh: boolean;
  alarm: string;
  limit: number | null;
  citation: string;
  since: string;
}

interface Told {
  layer: string;
  column: string;
  label: string;
  unit: string;
  digits: number;
  kind: "share" | "level";
  steps: number[];
  points: Point[];
}

type Class = "low" | "fair" | "near" | "over" | "far" | "free" | "none";

const CLASSES: Class[] = ["low", "fair", "near", "over", "far"];
const TOP = 8;
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit", second: "2-digit" });
/** Milliseconds for which alarms gather before the points are fetched again, and after which silence is looked for. */
const SOON = 1_000;
const OFTEN = 60_000;

/** Wire the page up and open its map. */
export async function startPollution(root: HTMLElement): Promise<void> {
  const told = JSON.parse(document.getElementById(root.dataset.pollution!)!.textContent!) as Told;
  const page = new Pollution(root, told);
  await page.open();
}

class Pollution {
  private readonly points = new Map<string, Point>();
  private readonly hidden = new Set<string>();
  private map: PointsMap | null = null;
  private popup: Popup | null = null;
  private waiting = 0;
  private due = 0;

  constructor(private readonly root: HTMLElement, private readonly told: Told) {
    for (const point of told.points) this.points.set(point.id, point);
    for (const button of this.buttons()) button.addEventListener("click", () => this.toggle(button));
    root.querySelector("[data-fullscreen]")?.addEventListener("click", () => {
      if (document.fullscreenElement) void document.exitFullscreen();
      else void root.requestFullscreen();
    });
    const { layer } = told;
    hear({
      rows: (key, rows) => key === layer && this.take(rows),
      again: (key) => key === layer && this.again(),
      reset: () => this.again(),
    });
    document.body.addEventListener("alarm", () => this.again());
    window.setInterval(() => this.again(), OFTEN);
  }

  async open(): Promise<void> {
    this.map = await PointsMap.open(document.getElementById("map")!, (id, place, map) => this.tell(id, place, map));
    this.draw();
  }

  /** What was told of points on the map; one that is new comes with the next reading of all. */
  private take(rows: Row[]): void {
    for (const { id, values, place } of rows) {
      const point = this.points.get(id);
      if (!point) {
        this.again();
        continue;
      }
      if (place) point.place = place;
      const value = values[this.told.column];
      if (value === undefined) continue;
      point.value = typeof value === "number" ? value : null;
      point.fresh = point.value !== null;
      point.at = Date.now() / 1000;
    }
    this.soon();
  }

  private again(): void {
    if (this.due) return;
    this.due = window.setTimeout(() => {
      this.due = 0;
      fetch(this.root.dataset.source!, { headers: { Accept: "application/json" } })
        .then(async (response) => {
          if (!response.ok) return;
          const { points } = (await response.json()) as Told;
          this.points.clear();
          for (const point of points) this.points.set(point.id, point);
          this.draw();
        })
        .catch(() => undefined); // the state of the connection stands in the top bar
    }, SOON);
  }

  private soon(): void {
    if (this.waiting) return;
    this.waiting = window.setTimeout(() => {
      this.waiting = 0;
      this.draw();
    }, 200);
  }

  private draw(): void {
    const all = [...this.points.values()];
    const counts = new Map<string, number>();
    for (const point of all) counts.set(this.classOf(point), (counts.get(this.classOf(point)) ?? 0) + 1);
    for (const button of this.buttons()) {
      button.querySelector("[data-number]")!.textContent = String(counts.get(button.dataset.class!) ?? 0);
    }
    this.text("[data-all]", String(all.length));
    this.text("[data-alarms]", String(all.filter((point) => point.alarm).length));
    this.top(all);
    this.map?.show(all.filter((point) => !this.hidden.has(this.classOf(point))).map((point) => this.spot(point)));
  }

  private spot(point: Point): Spot {
    const kind = this.classOf(point);
    const over = kind === "over" || kind === "far";
    // A hollow dot says that nothing is known; a dash beside each would only cover the numbers.
    const label = kind === "none" ? "" : `${this.written(point.value)}${over ? " !" : ""}`;
    return { id: point.id, place: point.place, label, color: this.color(kind), hollow: kind === "none", rank: -this.nearness(point), alarm: point.alarm };
  }

  /** How near to its limit, in the measure of the classes; what says nothing comes last. */
  private nearness(point: Point): number {
    if (!point.fresh || point.value === null) return -1e6;
    if (point.limit === null) return -1e5;
    return this.told.kind === "level" ? point.value - point.limit : point.value / point.limit;
  }

  private classOf(point: Point): Class {
    if (!point.fresh || point.value === null) return "none";
    if (point.limit === null) return "free";
    const near = this.nearness(point);
    const place = this.told.steps.findIndex((step) => near <= step);
    return CLASSES[place < 0 ? CLASSES.length - 1 : place]!;
  }

  private top(all: Point[]): void {
    const list = this.root.querySelector("[data-top]")!;
    const highest = all.filter((p) => p.fresh && p.value !== null).sort((a, b) => b.value! - a.value!).slice(0, TOP);
    list.replaceChildren(...highest.map((point) => {
      const line = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.style.setProperty("--c", this.color(this.classOf(point)));
      const name = document.createElement("span");
      name.textContent = point.name;
      const value = document.createElement("b");
      value.textContent = this.written(point.value);
      button.append(name, value);
      button.addEventListener("click", () => this.map?.look(point.place));
      line.append(button);
      return line;
    }));
  }

  private tell(id: string, place: [number, number], map: MapLibre): void {
    const point = this.points.get(id);
    if (!point) return;
    const box = document.createElement("div");
    const line = (text: string, tag = "p"): HTMLElement => {
      const made = document.createElement(tag);
      made.textContent = text;
      box.append(made);
      return made;
    };
    line(point.name, "strong");
    line(point.region);
    const value = point.value === null ? this.word("none") : `${this.told.label} ${this.written(point.value)} ${this.told.unit}`;
    line(value).className = "tip-value";
    if (point.at) line(CLOCK.format(point.at * 1000));
    line(point.limit === null ? this.word("free") : `${this.word("limit")} ${point.limit} ${this.told.unit} · ${point.citation} · ${this.word("since")} ${point.since}`);
    const links: [string, string][] = [
      [`/desk/${this.told.layer}/${id}`, this.word("open")], [`/desk/readings?feature=${id}`, this.word("curve")],
      [`/desk/rose?feature=${id}`, this.word("rose")],
    ];
    if (point.alarm) links.push([`/desk/alarms?feature=${id}`, this.word("alarm")]);
    const foot = line("");
    foot.className = "tip-links";
    for (const [address, text] of links) {
      const link = document.createElement("a");
      link.href = address;
      link.textContent = text;
      foot.append(link);
    }
    this.popup?.remove();
    this.popup = new Popup({ className: "surface-tip", offset: 14, maxWidth: "320px" }).setLngLat(place).setDOMContent(box).addTo(map);
  }

  private toggle(button: HTMLElement): void {
    const kind = button.dataset.class!;
    const shows = this.hidden.has(kind);
    if (shows) this.hidden.delete(kind);
    else this.hidden.add(kind);
    button.setAttribute("aria-pressed", String(shows));
    this.draw();
  }

  private buttons(): HTMLElement[] {
    return [...this.root.querySelectorAll<HTMLElement>("[data-class]")];
  }

  private color(kind: Class): string {
    return this.root.querySelector<HTMLElement>(`[data-class="${kind}"]`)!.style.getPropertyValue("--c");
  }

  private written(value: number | null): string {
    return value === null ? "—" : value.toFixed(this.told.digits);
  }

  private word(name: string): string {
    const words = this.root.querySelector<HTMLTemplateElement>("template[data-words]")!;
    return words.content.querySelector(`[data-word="${name}"]`)?.textContent ?? "";
  }

  private text(selector: string, text: string): void {
    const element = this.root.querySelector(selector);
    if (element) element.textContent = text;
  }
}
