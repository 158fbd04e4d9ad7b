// The page of weather: what happens at its points is read again at once, table, figures and map together.
import htmx from "htmx.org";
import type { Spot } from "../map/points";
import { hear } from "./live";

/** Milliseconds between two readings of the page because something happened. */
const AGAIN = 3_000;
const SOON = 400;

interface Told {
  id: string;
  place: [number, number];
  label: string;
  fresh: boolean;
  angle: number | null;
}

/** Wire the page up and open its map. */
export async function startWeather(body: HTMLElement): Promise<void> {
  let due = 0;
  let read = 0;
  const again = (): void => {
    if (due) return;
    due = window.setTimeout(() => {
      due = 0;
      read = Date.now();
      htmx.trigger(body, "again", {});
    }, Math.max(SOON, read + AGAIN - Date.now()));
  };
  const layer = body.dataset.weather;
  hear({
    rows: (key) => key === layer && again(),
    again: (key) => key === layer && again(),
    reset: again,
  });
  const { PointsMap } = await import("../map/points");
  const map = await PointsMap.open(document.getElementById("map")!, (id) => {
    const row = body.querySelector<HTMLElement>(`tr[data-point="${CSS.escape(id)}"]`);
    body.querySelector("tr.selected")?.classList.remove("selected");
    row?.classList.add("selected");
    row?.scrollIntoView({ block: "center", behavior: "smooth" });
  });
  const show = (): void => map.show(spots().map(drawn));
  show();
  body.addEventListener("htmx:afterSettle", show);
  body.addEventListener("click", (event) => {
    const target = event.target as HTMLElement;
    const id = target.closest<HTMLElement>("tr[data-point]")?.dataset.point;
    const spot = id && !target.closest("a") ? spots().find((each) => each.id === id) : undefined;
    if (spot) map.look(spot.place);
  });
}

function spots(): Told[] {
  return JSON.parse(document.getElementById("spots")?.dataset.spots ?? "[]") as Told[];
}

function drawn({ id, place, label, angle, fresh }: Told): Spot {
  const style = getComputedStyle(document.documentElement);
  const color = style.getPropertyValue(fresh ? "--z-accent" : "--z-muted").trim();
  return { id, place, label: fresh ? label : "", color, hollow: !fresh, ...(fresh ? { angle } : {}) };
}
