// Measured against estimated: a point a station, and the line on which both are equal.
import { LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([ScatterChart, LineChart, GridComponent, TooltipComponent, CanvasRenderer]);

interface Pairs {
  unit: string;
  digits: number;
  pairs: { name: string; value: number; estimate: number }[];
}

/** Draw every scatter chart of the page. */
export function draw(): void {
  document.querySelectorAll<HTMLElement>("[data-scatter]").forEach((holder) => {
    const { pairs, unit, digits } = JSON.parse(document.getElementById(holder.dataset.scatter!)?.textContent ?? "{}") as Pairs;
    const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const all = pairs.flatMap((pair) => [pair.value, pair.estimate]);
    const step = 10 ** Math.floor(Math.log10(Math.max(1, Math.max(...all))));
    const low = Math.min(0, Math.floor(Math.min(...all) / step) * step);
    const high = Math.ceil(Math.max(...all) / (step / 2)) * (step / 2);
    const font = { fontFamily: getComputedStyle(document.body).fontFamily, color: token("--z-muted"), fontSize: 11 };
    const axis = {
      type: "value", min: low, max: high, name: unit, nameTextStyle: font, axisLabel: font,
      axisLine: { lineStyle: { color: token("--line") } }, splitLine: { lineStyle: { color: token("--line-soft") } },
    };
    const chart = init(holder, null, { renderer: "canvas" });
    chart.setOption({
      textStyle: font, animation: false,
      grid: { left: 8, right: 44, top: 30, bottom: 8, containLabel: true },
      tooltip: {
        // Rich text is drawn, not parsed: a name is never markup.
        renderMode: "richText", confine: true, backgroundColor: token("--z-surface"), borderColor: token("--line"),
        textStyle: { ...font, color: token("--z-text") },
        formatter: (point: { dataIndex: number; seriesType: string }) => {
          const pair = point.seriesType === "scatter" ? pairs[point.dataIndex] : undefined;
          return pair ? `${pair.name}\n${pair.value.toFixed(digits)} → ${pair.estimate.toFixed(digits)} ${unit}` : "";
        },
      },
      xAxis: axis, yAxis: axis,
      series: [
        { type: "line", data: [[low, low], [high, high]], symbol: "none", silent: true, lineStyle: { color: token("--z-muted"), type: "dashed", width: 1 } },
        { type: "scatter", data: pairs.map((pair) => [pair.value, pair.estimate]), symbolSize: 9, itemStyle: { color: token("--z-accent"), opacity: 0.75, borderColor: token("--z-surface"), borderWidth: 1 } },
      ],
    });
    new ResizeObserver(() => chart.resize()).observe(holder);
  });
}
