// Charts of the statistics page: every bar and slice leads to the list it counts.
import { BarChart, PieChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsCoreOption } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { words } from "./words";

use([BarChart, PieChart, GridComponent, TooltipComponent, AriaComponent, CanvasRenderer]);

interface Item {
  label: string;
  count: number;
  link: string;
  color: string;
}

const SLICES = 6;

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
    animationDuration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 300,
    // Rich text is drawn, not parsed: a name is never markup.
    tooltip: { renderMode: "richText", confine: true, backgroundColor: colour("surface"), borderColor: line(), textStyle: font },
  };
  return items.length > SLICES ? { ...common, ...bars(items, font) } : { ...common, ...ring(items, font) };
}

function ring(items: Item[], font: object): EChartsCoreOption {
  const total = items.reduce((sum, item) => sum + item.count, 0);
  return {
    series: [{
      type: "pie", radius: ["54%", "80%"], center: ["50%", "50%"], cursor: "pointer",
      itemStyle: { borderColor: colour("surface"), borderWidth: 2 },
      // The table beside it names the slices.
      label: { show: true, position: "center", formatter: String(total), ...font, fontSize: 22, fontWeight: 600 },
      emphasis: { scaleSize: 4 },
      data: items.map((item) => ({
        name: item.label, value: item.count, itemStyle: { color: item.color },
      })),
    }],
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
      data: items.map((item) => ({ value: item.count, itemStyle: { color: item.color, borderRadius: [0, 3, 3, 0] } })),
    }],
  };
}
