// Curves of what devices measured, or bars: one chart a unit, time in China's zone, gaps where nothing valid was measured.
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TitleComponent, TooltipComponent } from "echarts/components";
import { connect, getInstanceByDom, init, use, type EChartsCoreOption } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { words } from "./words";

use([BarChart, LineChart, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TitleComponent, TooltipComponent, CanvasRenderer]);

interface Series {
  name: string;
  digits: number;
  points: [number, number | null][];
}

interface Curves {
  unit: string;
  kind?: "line" | "bar";
  series: Series[];
  /** A limit to draw as a line, and a time to shade. */
  limit?: number | null;
  limitName?: string;
  area?: [number, number];
}

/** Each stands 3:1 from the surface of its theme. */
const COLOURS = ["#2f6fd6", "#c77412", "#238a60", "#b2479a", "#7a6ff0", "#c0392b", "#2b8cae", "#8d7a3a"];
const COLOURS_DARK = ["#5b9bff", "#f0a23c", "#3ecf96", "#e07cc8", "#a79cff", "#ff7a6b", "#5cc4e6", "#cdb768"];

/** Draw every curve that is not drawn yet. */
export function draw(): void {
  document.querySelectorAll<HTMLElement>("[data-curve]").forEach((holder) => {
    const curves = JSON.parse(holder.dataset.curve ?? "{}") as Curves;
    delete holder.dataset.curve;
    const chart = init(holder, null, { renderer: "canvas", useCoarsePointer: true });
    chart.setOption(options(curves));
    chart.group = "curves";
    new ResizeObserver(() => (holder.isConnected ? chart.resize() : chart.dispose())).observe(holder);
  });
  // The same moment is shown in all of them.
  connect("curves");
}

/** Milliseconds between two times that curves are fetched again because something was measured. */
const AGAIN = 5_000;
let waiting = 0;

/** Take what was measured since into the curves that are shown: the same charts, with the points of now. */
export function refresh(panel: HTMLElement): void {
  if (waiting) return;
  waiting = window.setTimeout(() => {
    waiting = 0;
    void fetchAgain(panel);
  }, AGAIN);
}

async function fetchAgain(panel: HTMLElement): Promise<void> {
  const form = panel.querySelector<HTMLFormElement>(".curve-form");
  if (!form?.isConnected || document.hidden) return;
  const asked = new URLSearchParams();
  new FormData(form).forEach((value, name) => asked.append(name, String(value)));
  const response = await fetch(`${form.getAttribute("hx-get")}?${asked}`, { headers: { "HX-Request": "true" } });
  if (!response.ok || !form.isConnected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const charts = [...panel.querySelectorAll<HTMLElement>(".curve")];
  const curves = [...fresh.querySelectorAll<HTMLElement>("[data-curve]")].map((each) => JSON.parse(each.dataset.curve ?? "{}") as Curves);
  if (charts.length !== curves.length) return;
  // Only the points: what somebody zoomed, hid or points at stays.
  curves.forEach(({ series }, n) => {
    getInstanceByDom(charts[n]!)?.setOption({ title: { show: blank(series) }, series: series.map(({ name, points }) => ({ name, data: points })) });
  });
  const [table, now] = [panel.querySelector(".curves tbody"), fresh.querySelector(".curves tbody")];
  if (table && now) table.replaceChildren(...now.children);
}

/** Whether there is nothing to draw: the chart says so rather than staying empty. */
function blank(series: Series[]): boolean {
  return series.every(({ points }) => points.every(([, value]) => value === null));
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options({ unit, kind = "line", series, limit, limitName, area }: Curves): EChartsCoreOption {
  const font = { fontFamily: getComputedStyle(document.body).fontFamily, color: token("--z-text"), fontSize: 11 };
  const axis = { axisLine: { lineStyle: { color: token("--line") } }, axisLabel: { ...font, color: token("--z-muted") } };
  return {
    // The points are shifted to China's time already.
    useUTC: true,
    textStyle: font,
    animation: false,
    color: document.documentElement.dataset.bsTheme === "dark" ? COLOURS_DARK : COLOURS,
    title: { show: blank(series), text: words("no_values"), left: "center", top: "middle", textStyle: { ...font, color: token("--z-muted"), fontSize: 13, fontWeight: 400 } },
    legend: { type: "scroll", top: 0, left: 0, right: 0, itemWidth: 14, itemHeight: 8, textStyle: font, pageTextStyle: font },
    grid: { left: 4, right: 10, top: 46, bottom: 4, containLabel: true },
    tooltip: {
      // Rich text is drawn, not parsed: a name is never markup.
      trigger: "axis", renderMode: "richText", confine: true, textStyle: font,
      backgroundColor: token("--z-surface"), borderColor: token("--line"),
    },
    xAxis: { type: "time", ...axis, axisLabel: { ...axis.axisLabel, hideOverlap: true }, splitLine: { show: false } },
    yAxis: { type: "value", name: unit, nameGap: 10, nameTextStyle: { ...font, align: "left" }, scale: kind === "line", ...axis, splitLine: { lineStyle: { color: token("--line-soft") } } },
    series: series.map(({ name, digits, points }, place) => ({
      name, data: points,
      ...(kind === "bar"
        ? { type: "bar", barMaxWidth: 22, barMinWidth: 1, large: points.length > 2000 }
        : { type: "line", showSymbol: points.length < 3, symbolSize: 4, lineStyle: { width: 1.5 }, connectNulls: false, sampling: "lttb" }),
      ...(place === 0 && { markLine: line(limit, limitName, font), markArea: shade(area) }),
      tooltip: { valueFormatter: (value: unknown) => (typeof value === "number" ? `${value.toFixed(digits)} ${unit}` : "—") },
    })),
  };
}

function line(limit: number | null | undefined, name: string | undefined, font: object): object | undefined {
  if (limit === null || limit === undefined) return undefined;
  return {
    silent: true, symbol: "none", lineStyle: { color: token("--danger"), type: "dashed", width: 1.2 },
    label: { ...font, color: token("--danger"), position: "insideEndTop", formatter: `${name ?? ""} ${limit}` }, data: [{ yAxis: limit }],
  };
}

function shade(area: [number, number] | undefined): object | undefined {
  if (!area) return undefined;
  return { silent: true, itemStyle: { color: "rgba(224, 49, 49, .1)" }, data: [[{ xAxis: area[0] }, { xAxis: area[1] }]] };
}
