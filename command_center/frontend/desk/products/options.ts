// The options of ECharts for every kind of chart that is none on a map: statistical, calendar, matrix, comparative.
import type { EChartsCoreOption } from "echarts/core";
import { classes, ink, single, written, type Drawing, type Ink } from "./drawing";

/** How it is drawn: small without words in the gallery, on paper in a file. */
export interface Way {
  mini?: boolean;
  paper?: boolean;
}

const TITLE = 30;
const SUBTITLE = 22;
const LEGEND = 30;
const NOTE = 22;
/** Pixels of a year of a calendar, and between two. */
const YEAR = 176;

/** Room for the words around a chart. */
interface Room {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

/** The pixels that a chart needs from top to bottom. */
export function heightOf(drawing: Drawing): number {
  if (drawing.kind === "calendar") {
    const { top, bottom } = room(drawing, {});
    return Math.max(300, top + bottom + years(drawing).length * YEAR);
  }
  const sideways = drawing.form === "hbar" || drawing.form === "mirror";
  if (sideways) return Math.max(420, 150 + drawing.groups.length * (drawing.form === "mirror" ? 26 : Math.max(24, drawing.series.length * 14)));
  if (drawing.form === "matrix") return Math.max(400, 170 + drawing.series.length * 30);
  return 480;
}

/** The whole option. */
export function options(drawing: Drawing, way: Way = {}): EChartsCoreOption {
  const colours = ink(way.paper);
  const shown = byNight(drawing, way);
  return { ...shared(shown, way, colours), ...body(shown, way, colours) };
}

/** On a dark ground the highest class is the lightest, so that it stands out there as well; the legend says so. */
function byNight(drawing: Drawing, way: Way): Drawing {
  const dark = document.documentElement.dataset.bsTheme === "dark" && !way.paper;
  return dark ? { ...drawing, ramp: [...drawing.ramp].reverse() } : drawing;
}

function body(drawing: Drawing, way: Way, colours: Ink): EChartsCoreOption {
  if (drawing.kind === "calendar") return calendar(drawing, way, colours);
  if (drawing.form === "matrix") return matrix(drawing, way, colours);
  if (drawing.form === "pie" || drawing.form === "ring") return pie(drawing, way, colours);
  return axes(drawing, way, colours);
}

function named(drawing: Drawing): boolean {
  return drawing.series.length > 1 || Boolean(drawing.series[0]?.key);
}

function has(drawing: Drawing): boolean {
  const round = drawing.form === "pie" || drawing.form === "ring";
  const classed = drawing.kind === "calendar" || drawing.form === "matrix";
  return drawing.look.legend !== "none" && (named(drawing) || round || classed);
}

function room(drawing: Drawing, way: Way): Room {
  if (way.mini) return { top: 10, right: 10, bottom: 8, left: 10 };
  const { title, subtitle, legend } = drawing.look;
  const shown = has(drawing);
  const head = 14 + (title ? TITLE : 0) + (subtitle ? SUBTITLE : 0);
  const foot = 12 + NOTE * foots(drawing).length;
  return {
    top: head + (shown && legend === "top" ? LEGEND : 0) + 10,
    right: 22 + (shown && legend === "right" ? 150 : 0),
    bottom: foot + (shown && legend === "bottom" ? LEGEND + 4 : 0),
    left: 18,
  };
}

/** The lines below a chart. */
export function foots(drawing: Drawing): string[] {
  return [...(drawing.look.note ? [drawing.look.note] : []), ...drawing.notes];
}

function shared(drawing: Drawing, way: Way, colours: Ink): EChartsCoreOption {
  const font = { fontFamily: colours.font, color: colours.text, fontSize: 12 };
  const { title, subtitle, legend } = drawing.look;
  const base = {
    textStyle: font, animation: false, color: drawing.colors, backgroundColor: way.paper ? colours.surface : "transparent",
    aria: { enabled: true, label: { description: [title, subtitle, drawing.measure].filter(Boolean).join(" · ") } },
  };
  if (way.mini) return { ...base, tooltip: { show: false } };
  const place = {
    top: { top: 14 + (title ? TITLE : 0) + (subtitle ? SUBTITLE : 0), left: 16, right: 16 },
    right: { right: 10, top: 60, bottom: 40, width: 130, orient: "vertical" },
    bottom: { bottom: 8 + NOTE * foots(drawing).length, left: "center" },
    none: {},
  }[legend] ?? {};
  return {
    ...base,
    title: {
      text: title, subtext: subtitle, left: 16, top: 12, itemGap: 6,
      textStyle: { ...font, fontSize: 17, fontWeight: 600 }, subtextStyle: { ...font, fontSize: 13, color: colours.muted },
    },
    legend: {
      show: has(drawing) && drawing.kind !== "calendar" && drawing.form !== "matrix", type: "scroll", itemWidth: 14, itemHeight: 10, icon: "roundRect",
      textStyle: { ...font, width: legend === "right" ? 108 : undefined, overflow: "truncate" }, pageTextStyle: font, pageIconColor: colours.muted, ...place,
    },
    // Rich text is drawn, not parsed: a name is never markup.
    tooltip: { renderMode: "richText", confine: true, textStyle: font, backgroundColor: colours.surface, borderColor: colours.line },
    graphic: foots(drawing).map((text, n, all) => ({
      type: "text", left: 18, bottom: 8 + NOTE * (all.length - 1 - n), silent: true,
      style: { text, fill: colours.muted, font: `12px ${colours.font}` },
    })),
  };
}

function value(drawing: Drawing): (given: unknown) => string {
  return (given) => (typeof given === "number" ? `${written(given, drawing)} ${drawing.unit}`.trim() : "—");
}

function axes(drawing: Drawing, way: Way, colours: Ink): EChartsCoreOption {
  const sideways = drawing.form === "hbar" || drawing.form === "mirror";
  const share = drawing.form === "share";
  const mirror = drawing.form === "mirror";
  const font = { fontFamily: colours.font, color: colours.muted, fontSize: 12 };
  const { x_title, y_title, labels } = drawing.look;
  const around = room(drawing, way);
  const nameStyle = { ...font, color: colours.muted };
  const category = {
    type: "category", inverse: sideways, data: drawing.groups.map(({ label }) => label), axisTick: { show: false },
    axisLine: { lineStyle: { color: colours.line } }, name: way.mini ? "" : x_title,
    // Beside bars it stands above them: how far their names reach to the left is known to the chart alone.
    nameLocation: sideways ? "start" : "middle", nameGap: sideways ? 10 : 34, nameTextStyle: { ...nameStyle, align: sideways ? "right" : "center" },
    axisLabel: {
      ...font, show: !way.mini, hideOverlap: true, interval: drawing.groups.length > 40 ? "auto" : 0, overflow: "truncate",
      width: sideways ? 150 : Math.max(48, Math.min(120, 900 / Math.max(1, drawing.groups.length))),
      rotate: !sideways && drawing.groups.length > 14 ? 35 : 0,
    },
  };
  const unit = share ? "%" : drawing.unit;
  const number = {
    type: "value", axisLabel: { ...font, show: !way.mini, formatter: (v: number) => written(mirror ? Math.abs(v) : v, { digits: null }) },
    splitLine: { show: !way.mini, lineStyle: { color: colours.soft } }, max: share ? 100 : undefined,
    name: way.mini ? "" : y_title || unit, nameLocation: sideways ? "middle" : "end", nameGap: sideways ? 30 : 14,
    nameTextStyle: { ...nameStyle, align: sideways ? "center" : "left" },
  };
  const totals = drawing.groups.map((_group, n) => drawing.values.reduce((sum, line) => sum + Math.max(0, line[n] ?? 0), 0));
  const round = (n: number): number[] => (sideways ? (mirror && n === 0 ? [3, 0, 0, 3] : [0, 3, 3, 0]) : [3, 3, 0, 0]);
  const stacked = drawing.form === "stack" || share || mirror;
  return {
    grid: {
      left: around.left, right: around.right + (sideways && labels ? 46 : 0), top: around.top + (way.mini || (sideways && !x_title) ? 0 : 18),
      bottom: around.bottom + (x_title && !sideways && !way.mini ? 24 : 0) + (sideways && (y_title || unit) && !way.mini ? 26 : 0), containLabel: true,
    },
    xAxis: sideways ? number : category,
    yAxis: sideways ? category : number,
    tooltip: { ...(shared(drawing, way, colours).tooltip as object), trigger: "axis", axisPointer: { type: "shadow" } },
    series: drawing.series.map(({ label }, n) => ({
      name: label || drawing.measure,
      data: drawing.values[n]!.map((each, place) => {
        if (each === null) return null;
        return share ? (totals[place] ? (100 * each) / totals[place]! : null) : mirror && n === 0 ? -each : each;
      }),
      tooltip: {
        valueFormatter: (given: unknown) =>
          share && typeof given === "number" ? `${given.toFixed(1)} %` : value(drawing)(mirror && typeof given === "number" ? Math.abs(given) : given),
      },
      label: {
        show: labels && !way.mini, ...font, color: stacked && !mirror ? "#ffffff" : colours.text, fontSize: 11,
        textBorderColor: stacked && !mirror ? "rgba(0,0,0,.45)" : "transparent", textBorderWidth: stacked && !mirror ? 2 : 0,
        position: stacked && !mirror ? "inside" : sideways ? (mirror && n === 0 ? "left" : "right") : "top",
        formatter: ({ value: given }: { value: unknown }) =>
          typeof given === "number" && (given !== 0 || !stacked) ? (share ? `${given.toFixed(0)}%` : written(mirror ? Math.abs(given) : given, drawing)) : "",
      },
      labelLayout: { hideOverlap: true },
      ...(drawing.form === "line" || drawing.form === "area" || drawing.form === "lines"
        ? {
            type: "line", showSymbol: drawing.groups.length <= 40, symbolSize: 6, lineStyle: { width: 2.2 }, connectNulls: false,
            areaStyle: drawing.form === "area" ? { opacity: 0.22 } : undefined, stack: undefined,
          }
        : { type: "bar", barMaxWidth: 40, barGap: "12%", stack: stacked ? "all" : undefined, itemStyle: { borderRadius: stacked && !mirror ? 0 : round(n) } }),
    })),
  };
}

function pie(drawing: Drawing, way: Way, colours: Ink): EChartsCoreOption {
  const around = room(drawing, way);
  const font = { fontFamily: colours.font, color: colours.text, fontSize: 12 };
  const shown = single(drawing).map((each, n) => ({ name: drawing.groups[n]!.label, value: each ?? 0 }));
  const total = shown.reduce((sum, { value: each }) => sum + each, 0);
  const ring = drawing.form === "ring";
  return {
    series: [{
      type: "pie", radius: way.mini ? [ring ? "45%" : 0, "82%"] : [ring ? "42%" : 0, "70%"],
      // Its middle is that of the whole, where the sum stands.
      top: way.mini ? 0 : Math.max(around.top, around.bottom) - 8, bottom: way.mini ? 0 : Math.max(around.top, around.bottom) - 8,
      left: 0, right: way.mini ? 0 : around.right - 22,
      itemStyle: { borderColor: colours.surface, borderWidth: 2, borderRadius: 4 }, minShowLabelAngle: 3,
      label: {
        show: !way.mini, ...font,
        formatter: ({ name, value: each, percent }: { name: string; value: number; percent: number }) =>
          drawing.look.labels ? `${name}\n${written(each, drawing)} · ${percent}%` : `${name} ${percent}%`,
      },
      labelLine: { show: !way.mini, lineStyle: { color: colours.line } }, data: shown,
      tooltip: { valueFormatter: value(drawing) },
    }],
    graphic: [
      ...(shared(drawing, way, colours).graphic as object[] | undefined ?? []),
      ...(ring && !way.mini && drawing.look.legend !== "right"
        ? [{
            type: "text", left: "center", top: "middle", silent: true,
            style: { text: written(total, drawing), fill: colours.text, font: `600 22px ${colours.font}`, align: "center", verticalAlign: "middle" },
          }]
        : []),
    ],
  };
}

/** The classes as pieces of a legend. */
function pieces(drawing: Drawing, way: Way, colours: Ink): object {
  const { legend, title, subtitle } = drawing.look;
  const place = {
    top: { top: 12 + (title ? TITLE : 0) + (subtitle ? SUBTITLE : 0), left: 14, orient: "horizontal" },
    right: { right: 12, top: "middle", orient: "vertical" },
    bottom: { bottom: 6 + NOTE * foots(drawing).length, left: "center", orient: "horizontal" },
    none: {},
  }[legend] ?? {};
  return {
    type: "piecewise", show: !way.mini && legend !== "none", itemWidth: 20, itemHeight: 12, itemSymbol: "roundRect", hoverLink: true,
    textStyle: { fontFamily: colours.font, color: colours.text, fontSize: 12 },
    // A class has its upper end; the lowest has its lower end as well.
    pieces: classes(drawing).map(({ low, high, label, color }, n) => ({ ...(n ? { gt: low } : { gte: low }), lte: high, label, color })),
    outOfRange: { color: colours.nothing }, ...place,
  };
}

function years(drawing: Drawing): string[] {
  const found = [...new Set(drawing.groups.filter(({ key }) => key).map(({ key }) => key.slice(0, 4)))].sort();
  return found.length ? found.slice(-6) : [String(new Date().getFullYear())];
}

function calendar(drawing: Drawing, way: Way, colours: Ink): EChartsCoreOption {
  const around = room(drawing, way);
  const chinese = document.documentElement.lang.startsWith("zh");
  const font = { fontFamily: colours.font, color: colours.muted, fontSize: 11 };
  const shown = way.mini ? years(drawing).slice(-1) : years(drawing);
  const days = single(drawing).map((each, n): [string, number | null] => [drawing.groups[n]!.key, each]);
  return {
    tooltip: {
      ...(shared(drawing, way, colours).tooltip as object),
      formatter: ({ value: given }: { value: [string, number] }) => `${given[0]}\n${value(drawing)(given[1])}`,
    },
    visualMap: pieces(drawing, way, colours),
    calendar: shown.map((year, n) => ({
      range: year, orient: "horizontal", left: way.mini ? 10 : 62, right: way.mini ? 10 : around.right,
      top: way.mini ? 40 : around.top + 26 + n * YEAR, cellSize: ["auto", way.mini ? 9 : 18],
      itemStyle: { color: colours.nothing, borderColor: colours.surface, borderWidth: way.mini ? 0.6 : 2.5 },
      splitLine: { show: !way.mini, lineStyle: { color: colours.muted, width: 1, opacity: 0.6 } },
      yearLabel: { show: !way.mini, ...font, fontSize: 14, fontWeight: 600, color: colours.text, margin: 36 },
      monthLabel: { show: !way.mini, ...font, nameMap: chinese ? "ZH" : "EN" },
      dayLabel: { show: !way.mini, ...font, firstDay: 1, nameMap: chinese ? "ZH" : "EN" },
    })),
    series: shown.map((year, n) => ({
      type: "heatmap", coordinateSystem: "calendar", calendarIndex: n, data: days.filter(([day, each]) => each !== null && day.startsWith(year)),
      label: {
        show: drawing.look.labels && !way.mini, fontSize: 9, fontFamily: colours.font,
        formatter: ({ value: given }: { value: [string, number] }) => written(given[1], { digits: 0 }),
      },
      itemStyle: { borderRadius: 2 },
    })),
  };
}

function matrix(drawing: Drawing, way: Way, colours: Ink): EChartsCoreOption {
  const around = room(drawing, way);
  const font = { fontFamily: colours.font, color: colours.muted, fontSize: 12 };
  const line = { axisLine: { show: false }, axisTick: { show: false }, splitArea: { show: false }, nameTextStyle: font, nameLocation: "middle" };
  const data = drawing.values.flatMap((each, y) => each.map((given, x): [number, number, number | null] => [x, y, given]));
  return {
    grid: { left: around.left + (drawing.look.y_title ? 22 : 0), right: around.right, top: around.top, bottom: around.bottom + (drawing.look.x_title ? 22 : 0), containLabel: !way.mini },
    xAxis: {
      type: "category", data: drawing.groups.map(({ label }) => label), ...line, name: way.mini ? "" : drawing.look.x_title, nameGap: 32,
      axisLabel: { ...font, show: !way.mini, hideOverlap: true, width: 90, overflow: "truncate" },
    },
    yAxis: {
      type: "category", inverse: true, data: drawing.series.map(({ label }) => label), ...line, name: way.mini ? "" : drawing.look.y_title, nameGap: 70,
      axisLabel: { ...font, show: !way.mini, width: 120, overflow: "truncate" },
    },
    visualMap: pieces(drawing, way, colours),
    tooltip: {
      ...(shared(drawing, way, colours).tooltip as object),
      formatter: ({ value: [x, y, given] }: { value: [number, number, number] }) =>
        `${drawing.series[y]!.label} · ${drawing.groups[x]!.label}\n${value(drawing)(given)}`,
    },
    series: [{
      type: "heatmap", data: data.filter(([, , given]) => given !== null),
      itemStyle: { borderColor: colours.surface, borderWidth: way.mini ? 0.5 : 2, borderRadius: 3 },
      label: {
        show: drawing.look.labels && !way.mini, fontSize: 11, fontFamily: colours.font,
        formatter: ({ value: [, , given] }: { value: [number, number, number] }) => written(given, drawing),
      },
    }],
  };
}
