// How many entries of logs there are over time: columns by level, the usual number of errors, and where they rose.
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent, MarkPointComponent, TooltipComponent } from "echarts/components";
import { getInstanceByDom, init, use, type EChartsCoreOption } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, GridComponent, LegendComponent, MarkLineComponent, MarkPointComponent, TooltipComponent, CanvasRenderer]);

interface Counts {
  times: string[];
  levels: { level: number; name: string; counts: number[] }[];
  usual: number;
  usualName: string;
  /** Columns in which errors rose. */
  marks: number[];
  markName: string;
}

/** Colours by level, by day and by night. */
const COLOURS: Record<number, [string, string]> = {
  10: ["#8a94a3", "#8d99aa"], 20: ["#5b8fd9", "#5b9bff"], 30: ["#d9902f", "#f0a23c"], 40: ["#d64545", "#ff7a6b"], 50: ["#8f2aa8", "#d38bff"],
};
const ERROR = 40;

/** Draw the chart that is not drawn yet. */
export function draw(): void {
  document.querySelectorAll<HTMLElement>("[data-logs]").forEach((holder) => {
    const counts = JSON.parse(holder.dataset.logs ?? "{}") as Counts;
    delete holder.dataset.logs;
    const chart = getInstanceByDom(holder) ?? init(holder, null, { renderer: "canvas" });
    chart.setOption(options(counts));
    new ResizeObserver(() => (holder.isConnected ? chart.resize() : chart.dispose())).observe(holder);
  });
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options({ times, levels, usual, usualName, marks, markName }: Counts): EChartsCoreOption {
  const dark = document.documentElement.dataset.bsTheme === "dark";
  const font = { fontFamily: getComputedStyle(document.body).fontFamily, color: token("--z-text"), fontSize: 11 };
  const axis = { axisLine: { lineStyle: { color: token("--line") } }, axisTick: { show: false }, axisLabel: { ...font, color: token("--z-muted"), hideOverlap: true } };
  const tops = times.map((_time, n) => levels.reduce((sum, { counts }) => sum + counts[n]!, 0));
  return {
    textStyle: font,
    animation: false,
    legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 8, textStyle: font },
    grid: { left: 4, right: 12, top: 46, bottom: 2, containLabel: true },
    // Rich text is drawn, not parsed: a name is never markup.
    tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, renderMode: "richText", confine: true, textStyle: font, backgroundColor: token("--z-surface"), borderColor: token("--line") },
    xAxis: { type: "category", data: times, ...axis },
    yAxis: { type: "value", minInterval: 1, ...axis, splitLine: { lineStyle: { color: token("--line-soft") } } },
    series: [
      // The gravest stand on the ground, where they are compared.
      ...levels.map(({ level, name, counts }) => ({
        name, data: counts, type: "bar", stack: "levels", barCategoryGap: "20%", itemStyle: { color: COLOURS[level]?.[dark ? 1 : 0] },
        emphasis: { focus: "series" },
      })),
      {
        name: usualName, type: "line", data: times.map(() => usual), symbol: "none", z: 5,
        lineStyle: { type: "dashed", width: 1.5, color: COLOURS[ERROR]![dark ? 1 : 0] }, itemStyle: { color: COLOURS[ERROR]![dark ? 1 : 0] },
        markPoint: {
          symbol: "pin", symbolSize: 42, itemStyle: { color: token("--danger") }, silent: true,
          label: { ...font, color: "#fff", fontSize: 10, formatter: markName.length > 3 ? "▲" : markName },
          data: marks.map((n) => ({ coord: [n, Math.max(tops[n] ?? 0, usual)] })),
        },
      },
    ],
  };
}
