// What a chart is drawn from, as the server gives it, and what every way of drawing it shares: colours, numbers, classes.
import type { FeatureCollection, MultiPolygon, Polygon } from "geojson";

/** A group or a series. */
export interface Group {
  key: string;
  label: string;
}

/** The texts and choices of a chart that change nothing about its figures. */
export interface Look {
  labels: boolean;
  legend: string;
  title: string;
  subtitle: string;
  note: string;
  x_title: string;
  y_title: string;
  compared: string;
}

export interface Drawing {
  kind: string;
  form: string;
  measure: string;
  unit: string;
  digits: number | null;
  by: string;
  groups: Group[];
  series: Group[];
  values: (number | null)[][];
  total: number;
  breaks: number[];
  notes: string[];
  at: string;
  colors: string[];
  ramp: string[];
  look: Look;
  places?: ([number, number] | null)[];
  level?: string;
  shapes?: FeatureCollection<MultiPolygon | Polygon, { key: string; name: string }>;
  /** Why nothing is drawn: no rows, or settings that cannot be drawn. */
  empty?: string;
  trouble?: string;
  frozen?: string;
}

/** The colours of a theme. */
export interface Ink {
  text: string;
  muted: string;
  line: string;
  soft: string;
  surface: string;
  font: string;
  /** The ground of a region without a value. */
  nothing: string;
}

const PAPER = { text: "#10192b", muted: "#566379", line: "#cfd6e2", soft: "#e8ecf3", surface: "#ffffff", nothing: "#e6e9ee" };

/** The colours of the page, or of paper, which is white whatever the screen is. */
export function ink(paper = false): Ink {
  const font = getComputedStyle(document.body).fontFamily;
  if (paper) return { ...PAPER, font };
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const dark = document.documentElement.dataset.bsTheme === "dark";
  return {
    text: token("--z-text"), muted: token("--z-muted"), line: token("--line"), soft: token("--line-soft"), surface: token("--z-surface"),
    font, nothing: dark ? "#2b364a" : PAPER.nothing,
  };
}

/** A number as the chart writes it: the digits of its field, thousands apart. */
export function written(value: number | null | undefined, { digits }: Pick<Drawing, "digits">): string {
  if (value === null || value === undefined) return "—";
  const most = Math.min(digits ?? (Number.isInteger(value) ? 0 : 2), 2);
  return value.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: most });
}

/** The class of a value: the first whose upper end it does not exceed. */
export function classOf(value: number, breaks: number[]): number {
  const found = breaks.slice(1).findIndex((end) => value <= end);
  return found < 0 ? Math.max(0, breaks.length - 2) : found;
}

/** The classes as a legend names them. */
export function classes(drawing: Drawing): { low: number; high: number; label: string; color: string }[] {
  const { breaks, ramp } = drawing;
  return breaks.slice(1).map((high, n) => {
    const low = breaks[n]!;
    const label = low === high ? `${n ? "> " : ""}${written(high, drawing)}` : `${n ? "> " : ""}${written(low, drawing)} – ${written(high, drawing)}`;
    return { low, high, label, color: ramp[n] ?? ramp[0]! };
  });
}

/** The values of a chart without series. */
export function single(drawing: Drawing): (number | null)[] {
  return drawing.values[0] ?? [];
}
