// A chart on its stage: drawn anew when it changes, on screen, for paper, and as a picture in a file.
import { BarChart, HeatmapChart, LineChart, PieChart } from "echarts/charts";
import { AriaComponent, CalendarComponent, GraphicComponent, GridComponent, LegendComponent, TitleComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { init, use, type EChartsType } from "echarts/core";
import { LabelLayout } from "echarts/features";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";
import { words } from "../words";
import { classes, ink, type Drawing } from "./drawing";
import { foots, heightOf, options } from "./options";
import { plate, radius } from "./plate";

use([
  BarChart, HeatmapChart, LineChart, PieChart, AriaComponent, CalendarComponent, GraphicComponent, GridComponent, LegendComponent, TitleComponent,
  TooltipComponent, VisualMapComponent, LabelLayout, CanvasRenderer, SVGRenderer,
]);

/** Pixels of a picture for one of the screen. */
const SHARP = 2;

type Thematic = import("../../map/thematic").ThematicMap;

/** Whether a chart is drawn on the map. */
export function onMap(drawing: Drawing): boolean {
  return drawing.kind === "thematic" || drawing.form === "ground";
}

/** Where a chart is drawn: an element with a place for diagrams, one for the map and one for words. */
export class Stage {
  private chart: EChartsType | undefined;
  private map: Promise<Thematic> | undefined;
  private drawing: Drawing | undefined;

  constructor(private readonly holder: HTMLElement) {
    new ResizeObserver(() => this.chart?.resize()).observe(this.part("diagram"));
    // Paper is white whatever the theme of the screen.
    window.addEventListener("beforeprint", () => this.paint(true));
    window.addEventListener("afterprint", () => this.paint(false));
  }

  private part(name: string): HTMLElement {
    return this.holder.querySelector<HTMLElement>(`[data-stage-${name}]`)!;
  }

  /** Draw a chart, or say why there is none. */
  async show(drawing: Drawing): Promise<void> {
    this.drawing = drawing;
    const said = drawing.trouble ?? drawing.empty;
    this.part("words").hidden = !said;
    this.part("words").querySelector("p")!.textContent = said ?? "";
    const mapped = !said && onMap(drawing);
    this.part("diagram").hidden = Boolean(said) || mapped;
    this.part("map").hidden = !mapped;
    this.holder.dataset.drawn = said ? "nothing" : mapped ? "map" : "diagram";
    if (said) return;
    if (!mapped) return this.paint(false);
    this.map ??= import("../../map/thematic").then(({ ThematicMap }) => ThematicMap.open(this.part("canvas")));
    const map = await this.map;
    if (this.drawing !== drawing) return;
    map.map.resize();
    map.show(drawing);
    this.frame(drawing);
  }

  /** As high as the chart needs, and as there is room for on a large screen. */
  private height(drawing: Drawing): number {
    return Math.max(heightOf(drawing), Math.min(640, Math.round(innerHeight * 0.58)));
  }

  private paint(paper: boolean): void {
    const { drawing } = this;
    if (!drawing || drawing.trouble || drawing.empty || onMap(drawing)) return;
    const holder = this.part("diagram");
    holder.style.height = `${this.height(drawing)}px`;
    this.chart ??= init(holder, null, { renderer: "canvas" });
    this.chart.resize();
    this.chart.setOption(options(drawing, { paper }), { notMerge: true });
  }

  /** Title, legend and notes over the map. */
  private frame(drawing: Drawing): void {
    const { look } = drawing;
    const head = this.part("head");
    head.hidden = !look.title && !look.subtitle;
    head.replaceChildren(...[["strong", look.title], ["span", look.subtitle]].filter(([, text]) => text).map(([name, text]) => element(name!, text!)));
    const key = this.part("key");
    key.hidden = look.legend === "none";
    key.dataset.place = look.legend;
    const title = element("b", [drawing.measure, drawing.unit && `(${drawing.unit})`].filter(Boolean).join(" "));
    key.replaceChildren(title, ...(drawing.form === "ground" ? [this.scale(drawing)] : this.steps(drawing)));
    const foot = this.part("foot");
    foot.hidden = !foots(drawing).length;
    foot.replaceChildren(...foots(drawing).map((text) => element("span", text)));
  }

  private steps(drawing: Drawing): HTMLElement[] {
    const known = classes(drawing);
    const lines = known.map(({ label, color }, n) => {
      const line = element("span", label);
      line.style.setProperty("--c", color);
      if (drawing.form === "points") {
        line.className = "round";
        line.style.setProperty("--r", `${2 * radius(n, known.length)}px`);
      }
      return line;
    });
    if (drawing.form === "fill" && (drawing.shapes?.features.length ?? 0) > drawing.groups.filter(({ key }) => key).length) {
      const none = element("span", words("no_data"));
      none.style.setProperty("--c", ink().nothing);
      lines.push(none);
    }
    return lines;
  }

  private scale(drawing: Drawing): HTMLElement {
    const line = element("i", "");
    line.style.setProperty("--g", `linear-gradient(to right, ${drawing.ramp.join(",")})`);
    line.dataset.low = words("low");
    line.dataset.high = words("high");
    return line;
  }

  /** The chart as a PNG, twice as sharp as the screen. */
  async png(): Promise<Blob> {
    const drawing = this.drawing!;
    if (!onMap(drawing)) {
      const { width, height, chart, remove } = this.copy("canvas");
      const address = chart.getDataURL({ type: "png", pixelRatio: SHARP, backgroundColor: ink(true).surface });
      remove();
      return rastered(address, width * SHARP, height * SHARP);
    }
    const { svg, width, height } = await this.plate(true);
    return rastered(address(svg), width * SHARP, height * SHARP);
  }

  /** The chart as an SVG. */
  async svg(): Promise<Blob> {
    const drawing = this.drawing!;
    if (onMap(drawing)) return new Blob([(await this.plate(drawing.form === "ground")).svg], { type: "image/svg+xml" });
    const { chart, remove } = this.copy("svg");
    const text = chart.renderToSVGString();
    remove();
    return new Blob([text], { type: "image/svg+xml" });
  }

  private copy(renderer: "canvas" | "svg"): { width: number; height: number; chart: EChartsType; remove: () => void } {
    const drawing = this.drawing!;
    const width = Math.max(760, this.part("diagram").clientWidth);
    const height = this.height(drawing);
    const holder = document.createElement("div");
    holder.style.cssText = `position:absolute;left:-20000px;width:${width}px;height:${height}px`;
    document.body.append(holder);
    const chart = init(holder, null, { renderer, width, height });
    chart.setOption(options(drawing, { paper: true }));
    return { width, height, chart, remove: () => (chart.dispose(), holder.remove()) };
  }

  /** The map as vectors, or with the picture of the map on the screen in their place. */
  private async plate(picture: boolean): Promise<{ svg: string; width: number; height: number }> {
    const { map } = await this.map!;
    const canvas = map.getCanvas();
    const [width, height] = [Math.max(760, canvas.clientWidth), Math.max(480, canvas.clientHeight)];
    if (picture) {
      map.triggerRepaint();
      await map.once("render");
    }
    const taken = picture ? { picture: canvas.toDataURL("image/png") } : {};
    return { svg: plate(this.drawing!, { width, height: height + (picture ? 70 : 0) }, { paper: true, ...taken }), width, height: height + (picture ? 70 : 0) };
  }
}

/** A small picture of a chart for the gallery. */
export function small(drawing: Drawing, width: number, height: number): string {
  if (onMap(drawing)) return address(plate(drawing, { width, height }, { mini: true }));
  const holder = document.createElement("div");
  const chart = init(holder, null, { renderer: "svg", width, height, ssr: true });
  chart.setOption(options(drawing, { mini: true }));
  const text = chart.renderToSVGString();
  chart.dispose();
  return address(text);
}

function element(name: string, text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function address(svg: string): string {
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
}

async function rastered(source: string, width: number, height: number): Promise<Blob> {
  const image = new Image();
  image.src = source;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d")!.drawImage(image, 0, 0, width, height);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png"));
}
