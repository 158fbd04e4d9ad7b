// Trends of the statistics: the kinds that are ticked, one chart a unit, or each stacked by the values of a field.
import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsCoreOption, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { words } from "./words";

use([BarChart, LineChart, AriaComponent, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer]);

interface Part {
  label: string;
  value: string;
  trend: (number | null)[];
  color: string;
}

interface Kind {
  key: string;
  title: string;
  unit: string;
  digits: number;
  trend: (number | null)[];
  link: string;
  buckets: string[];
  divisions: { label: string; name: string; parts: Part[] }[];
}

interface Series {
  name: string;
  digits: number;
  trend: (number | null)[];
  color: string;
  link: string;
  buckets: string[];
}

/** Each stands 3:1 from the surface of its theme. */
const COLOURS = ["#2f6fd6", "#c77412", "#238a60", "#b2479a", "#7a6ff0", "#c0392b", "#2b8cae", "#8d7a3a"];
const COLOURS_DARK = ["#5b9bff", "#f0a23c", "#3ecf96", "#e07cc8", "#a79cff", "#ff7a6b", "#5cc4e6", "#cdb768"];
const MOST = 8;

/** Draw the trends of the page and follow what is ticked; the address carries the choice. */
export function startTrends(holder: HTMLElement): void {
  const kinds = JSON.parse(document.getElementById(holder.dataset.trends!)?.textContent ?? "[]") as Kind[];
  const buckets = JSON.parse(document.getElementById("trend-buckets")?.textContent ?? "[]") as string[];
  new Trends(holder, kinds, buckets).start();
}

class Trends {
  private charts: EChartsType[] = [];
  private chosen: string[];
  private readonly known: Map<string, Kind>;

  constructor(private readonly holder: HTMLElement, kinds: Kind[], private readonly buckets: string[]) {
    this.known = new Map(kinds.map((kind) => [kind.key, kind]));
    this.chosen = (holder.dataset.chosen ?? "").split(" ").filter((key) => this.known.has(key)).slice(0, MOST);
  }

  start(): void {
    document.addEventListener("change", (event) => {
      const box = event.target as HTMLInputElement;
      if (box.dataset.trend) this.choose(box.dataset.trend, box.checked);
      else if (box.name === "trend-kind") this.draw();
    });
    this.holder.addEventListener("click", (event) => {
      const key = (event.target as Element).closest<HTMLElement>("[data-drop]")?.dataset.drop;
      if (key) this.choose(key, false);
    });
    if (new URLSearchParams(location.search).get("trend") === "stack") this.radio("stack")!.checked = true;
    this.draw();
  }

  private radio(value: string): HTMLInputElement | null {
    return this.holder.querySelector<HTMLInputElement>(`[name=trend-kind][value=${value}]`);
  }

  private choose(key: string, on: boolean): void {
    this.chosen = this.chosen.filter((other) => other !== key);
    if (on) this.chosen = [...this.chosen, key].slice(-MOST);
    this.draw();
  }

  private draw(): void {
    const stacked = this.radio("stack")?.checked ?? false;
    this.mark(stacked);
    this.charts.forEach((chart) => chart.dispose());
    const room = this.holder.querySelector<HTMLElement>("[data-trend-charts]")!;
    room.replaceChildren();
    this.charts = [];
    const shown = this.chosen.map((key) => this.known.get(key)!);
    if (stacked) {
      for (const kind of shown) this.add(room, kind.title, kind.unit, this.parts(kind), "bar");
    } else {
      for (const unit of new Set(shown.map((kind) => kind.unit))) {
        const some = shown.filter((kind) => kind.unit === unit);
        this.add(room, unit, unit, some.map((kind) => this.whole(kind, shown.indexOf(kind))), "line");
      }
    }
    room.classList.toggle("several", this.charts.length > 1);
    this.charts.forEach((chart) => chart.resize());
  }

  /** Ticks, chips and the address say what is drawn. */
  private mark(stacked: boolean): void {
    document.querySelectorAll<HTMLInputElement>("[data-trend]").forEach((box) => {
      box.checked = this.chosen.includes(box.dataset.trend!);
      box.closest("[data-kind]")?.classList.toggle("drawn", box.checked);
    });
    const picks = this.holder.querySelector<HTMLElement>("[data-trend-picks]")!;
    picks.replaceChildren(...this.chosen.map((key, place) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "chip";
      chip.dataset.drop = key;
      chip.title = words("drop");
      chip.style.setProperty("--c", palette()[place]!);
      chip.textContent = this.known.get(key)!.title;
      chip.append(Object.assign(document.createElement("span"), { textContent: "×", ariaHidden: "true" }));
      return chip;
    }));
    this.holder.querySelector<HTMLElement>("[data-trend-none]")!.hidden = this.chosen.length > 0;
    const asked = new URLSearchParams(location.search);
    asked.delete("kind");
    this.chosen.forEach((key) => asked.append("kind", key));
    if (stacked) asked.set("trend", "stack");
    else asked.delete("trend");
    history.replaceState(null, "", `?${asked}`);
    const here = `${location.pathname}?${asked}`;
    document.querySelector<HTMLElement>("[data-copy-here]")?.setAttribute("data-copy", here);
    // What steps to another period, and the form, take the choice along.
    document.querySelectorAll<HTMLAnchorElement>("a[data-keep]").forEach((link) => {
      const there = new URLSearchParams(link.search);
      for (const name of ["kind", "trend", "view"]) {
        there.delete(name);
        asked.getAll(name).forEach((value) => there.append(name, value));
      }
      link.search = `?${there}`;
    });
    const form = document.querySelector<HTMLFormElement>("form[data-either]");
    form?.querySelectorAll("[data-kept]").forEach((input) => input.remove());
    for (const name of ["kind", "trend"]) {
      for (const value of asked.getAll(name)) {
        const input = Object.assign(document.createElement("input"), { type: "hidden", name, value });
        input.dataset.kept = "";
        form?.append(input);
      }
    }
  }

  private whole(kind: Kind, place: number): Series {
    return { name: kind.title, digits: kind.digits, trend: kind.trend, color: palette()[place]!, link: kind.link, buckets: kind.buckets };
  }

  /** The parts of a kind by its first field; one without any is a part by itself. */
  private parts(kind: Kind): Series[] {
    const division = kind.divisions[0];
    if (!division) return [this.whole(kind, 0)];
    return division.parts.map((part) => ({
      name: part.label, digits: 0, trend: part.trend, color: part.color, buckets: kind.buckets,
      link: kind.link && `${kind.link}&part=${encodeURIComponent(`${division.name}:${part.value}`)}`,
    }));
  }

  private add(room: HTMLElement, title: string, unit: string, series: Series[], type: "bar" | "line"): void {
    const figure = document.createElement("figure");
    figure.className = "trend-figure";
    const caption = document.createElement("figcaption");
    caption.textContent = type === "bar" ? title : unit ? unit : words("count");
    const holder = document.createElement("div");
    holder.className = "trend-chart";
    holder.setAttribute("role", "img");
    holder.setAttribute("aria-label", series.map(({ name }) => name).join(", "));
    figure.append(caption, holder);
    room.append(figure);
    const chart = init(holder, null, { renderer: "canvas", useCoarsePointer: true });
    chart.setOption(this.options(series, unit, type));
    chart.on("click", (event) => {
      const one = series[event.seriesIndex ?? 0];
      const bucket = one?.buckets[event.dataIndex];
      if (one?.link && bucket) location.assign(`${one.link}&bucket=${bucket}`);
    });
    // On paper the drawing is scaled by the style sheet.
    new ResizeObserver(() => (holder.isConnected && !matchMedia("print").matches ? chart.resize() : undefined)).observe(holder);
    this.charts.push(chart);
  }

  private options(series: Series[], unit: string, type: "bar" | "line"): EChartsCoreOption {
    const font = { fontFamily: getComputedStyle(document.body).fontFamily, color: token("--z-text"), fontSize: 11 };
    const axis = { axisLine: { lineStyle: { color: token("--line") } }, axisTick: { show: false }, axisLabel: { ...font, color: token("--z-muted") } };
    const few = this.buckets.length < 3;
    return {
      textStyle: font, animation: false, aria: { enabled: true },
      legend: { type: "scroll", top: 0, left: 0, right: 0, itemWidth: 14, itemHeight: 8, textStyle: font, pageTextStyle: font, pageIconColor: token("--z-muted") },
      grid: { left: 4, right: 14, top: 34, bottom: 4, containLabel: true },
      tooltip: {
        // Rich text is drawn, not parsed: a name is never markup.
        trigger: "axis", renderMode: "richText", confine: true, textStyle: font, axisPointer: { type: type === "bar" ? "shadow" : "line" },
        backgroundColor: token("--z-surface"), borderColor: token("--line"),
      },
      xAxis: { type: "category", data: this.buckets, boundaryGap: type === "bar" || few, ...axis, axisLabel: { ...axis.axisLabel, hideOverlap: true } },
      yAxis: { type: "value", scale: unit !== "" && type === "line", minInterval: unit === "" ? 1 : undefined, ...axis, splitLine: { lineStyle: { color: token("--line-soft") } } },
      series: series.map(({ name, digits, trend, color }) => ({
        name, data: trend, type, cursor: "pointer", itemStyle: { color },
        ...(type === "bar"
          ? { stack: "whole", barMaxWidth: 26 }
          : { showSymbol: this.buckets.length < 40, symbolSize: 5, lineStyle: { width: 2, color }, connectNulls: false }),
        tooltip: { valueFormatter: (value: unknown) => (typeof value === "number" ? `${value.toLocaleString(undefined, { maximumFractionDigits: digits })} ${unit}` : "—") },
      })),
    };
  }
}

function palette(): string[] {
  return document.documentElement.dataset.bsTheme === "dark" ? COLOURS_DARK : COLOURS;
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
