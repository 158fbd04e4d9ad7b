// Roses: sixteen directions around, classes of wind speed stacked from the middle, or one mean by direction.
import { BarChart } from "echarts/charts";
import { GraphicComponent, LegendComponent, PolarComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsCoreOption } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, PolarComponent, GraphicComponent, LegendComponent, TooltipComponent, CanvasRenderer]);

interface Rose {
  sectors: string[];
  unit: string;
  digits?: number;
  calm?: number;
  calm_label?: string;
  series: { name: string; values: (number | null)[] }[];
}

/** From a breath to a gale: deeper by day, brighter by night, and the strongest always the farthest from the ground. */
const FORCES = ["#9cc7f5", "#5b9ff0", "#2f6fd6", "#e08a1e", "#c0392b"];
const FORCES_DARK = ["#3d6ea8", "#5b9bff", "#a8cbff", "#f0a23c", "#ff7a6b"];
const MEAN = ["#8d6bd1"];
const MEAN_DARK = ["#a79cff"];

/** Draw every rose that is not drawn yet. */
export function draw(): void {
  document.querySelectorAll<HTMLElement>("[data-rose]").forEach((holder) => {
    const rose = JSON.parse(holder.dataset.rose ?? "{}") as Rose;
    delete holder.dataset.rose;
    const chart = init(holder, null, { renderer: "canvas" });
    chart.setOption(options(rose));
    new ResizeObserver(() => (holder.isConnected ? chart.resize() : chart.dispose())).observe(holder);
  });
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(rose: Rose): EChartsCoreOption {
  const font = { fontFamily: getComputedStyle(document.body).fontFamily, color: token("--z-text"), fontSize: 11 };
  const dark = document.documentElement.dataset.bsTheme === "dark";
  const digits = rose.digits ?? 1;
  const written = (value: unknown) => (typeof value === "number" ? `${value.toFixed(digits)} ${rose.unit}` : "—");
  return {
    textStyle: font,
    animation: false,
    color: rose.series.length > 1 ? (dark ? FORCES_DARK : FORCES) : dark ? MEAN_DARK : MEAN,
    legend: rose.series.length > 1 ? { bottom: 0, itemWidth: 12, itemHeight: 8, textStyle: font } : undefined,
    tooltip: {
      // Rich text is drawn, not parsed: a name is never markup.
      trigger: "axis", renderMode: "richText", confine: true, textStyle: font,
      backgroundColor: token("--z-surface"), borderColor: token("--line"), valueFormatter: written,
    },
    polar: { center: ["50%", "45%"], radius: [rose.calm === undefined ? 0 : 24, "68%"] },
    angleAxis: {
      // North is on top and its sector is centred on it.
      type: "category", data: rose.sectors, startAngle: 90 + 360 / rose.sectors.length / 2, clockwise: true,
      axisLabel: { ...font, interval: 0 }, axisLine: { lineStyle: { color: token("--line") } }, axisTick: { show: false },
      splitLine: { show: true, lineStyle: { color: token("--line-soft") } },
    },
    radiusAxis: {
      min: 0, axisLine: { show: false }, axisTick: { show: false }, z: 10,
      axisLabel: { ...font, color: token("--z-muted"), fontSize: 10 }, splitLine: { lineStyle: { color: token("--line-soft") } },
    },
    graphic: rose.calm === undefined ? undefined : {
      type: "text", left: "center", top: "42.4%", z: 20, silent: true,
      style: { text: `${rose.calm_label ?? ""}\n${rose.calm.toFixed(1)}%`, fill: token("--z-text"), font: `11px ${font.fontFamily}`, textAlign: "center", lineHeight: 14 },
    },
    series: rose.series.map(({ name, values }) => ({ type: "bar", coordinateSystem: "polar", name, data: values, stack: "rose", barCategoryGap: "6%" })),
  };
}
