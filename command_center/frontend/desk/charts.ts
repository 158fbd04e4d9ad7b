// Charts of the statistics page: every bar and slice leads to the list it counts.
import { BarChart, PieChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsCoreOption } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { words } from "./words";

use([BarChart, PieChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer]);

interface Item {
  label: string;
  count: number;
  link: string;
  color: string;
}

const PALETTE = ["#2f6fd6", "#2fa88a", "#e0a100", "#8a6fd1", "#d9622b", "#3aa6c9", "#7a8899", "#c2549d", "#6d9b3a", "#a0522d"];
const MOST_SLICES = 6;

/** Draw every chart of the page from the JSON block that stands beside it. */
export function draw(): void {
  document.querySelectorAll<HTMLElement>("[data-chart]").forEach((holder) => {
    const items = JSON.parse(document.getElementById(holder.dataset.chart!)?.textContent ?? "[]") as Item[];
    const chart = init(holder, null, { renderer: "canvas" });
    chart.setOption(options(items));
    chart.on("click", (event) => {
      const item = items[event.dataIndex];
      if (item?.link) location.assign(item.link);
    });
    new ResizeObserver(() => chart.resize()).observe(holder);
  });
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--z-${name}`).trim();
}

function line(): string {
  return getComputedStyle(document.documentElement).getPropertyValue("--line").trim();
}

function options(items: Item[]): EChartsCoreOption {
  const font = { fontFamily: getComputedStyle(document.body).fontFamily, color: colour("text"), fontSize: 12 };
  const common = {
    textStyle: font,
    animationDuration: 300,
    // Rich text is drawn, not parsed: a name is never markup.
    tooltip: { renderMode: "richText", confine: true, backgroundColor: colour("surface"), borderColor: line(), textStyle: font },
  };
  return items.length > MOST_SLICES ? { ...common, ...bars(items, font) } : { ...common, ...ring(items, font) };
}

function ring(items: Item[], font: object): EChartsCoreOption {
  const total = items.reduce((sum, item) => sum + item.count, 0);
  return {
    series: [{
      type: "pie", radius: ["48%", "72%"], center: ["50%", "50%"], cursor: "pointer",
      itemStyle: { borderColor: colour("surface"), borderWidth: 2 },
      label: { ...font, formatter: "{b}  {c}" },
      labelLine: { length: 10, length2: 10, lineStyle: { color: line() } },
      emphasis: { scaleSize: 4 },
      data: items.map((item, i) => ({
        name: item.label, value: item.count, itemStyle: { color: item.color || PALETTE[i % PALETTE.length] },
      })),
    }],
    graphic: undefined,
    title: undefined,
    legend: undefined,
    aria: { enabled: true, description: `${words("count")} ${total}` },
  };
}

function bars(items: Item[], font: object): EChartsCoreOption {
  const axis = { axisLine: { lineStyle: { color: line() } }, axisTick: { show: false }, axisLabel: { ...font, color: colour("muted") } };
  return {
    grid: { left: 8, right: 46, top: 6, bottom: 6, containLabel: true },
    xAxis: { type: "value", minInterval: 1, ...axis, splitLine: { lineStyle: { color: line() } } },
    yAxis: { type: "category", inverse: true, data: items.map((item) => item.label), ...axis, axisLabel: { ...font, width: 120, overflow: "truncate" } },
    series: [{
      type: "bar", barMaxWidth: 16, cursor: "pointer", name: words("count"),
      label: { show: true, position: "right", ...font },
      data: items.map((item) => ({ value: item.count, itemStyle: { color: item.color || PALETTE[0], borderRadius: [0, 3, 3, 0] } })),
    }],
  };
}
