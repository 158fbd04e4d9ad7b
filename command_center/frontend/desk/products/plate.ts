// A thematic map as vectors: regions filled, points sized, title and legend; for SVG files and for small pictures.
import { classOf, classes, ink, single, written, type Drawing, type Ink } from "./drawing";
import { foots } from "./options";

interface Size {
  width: number;
  height: number;
}

type Project = (place: [number, number]) => [number, number];

/** Radii of the classes of points, in pixels. */
export function radius(place: number, number: number): number {
  return number < 2 ? 12 : 6 + (18 * place) / (number - 1);
}

/** The map as the text of an SVG; `picture` is what lies beneath, where vectors cannot say it. */
export function plate(drawing: Drawing, size: Size, way: { mini?: boolean; paper?: boolean; picture?: string } = {}): string {
  const colours = ink(way.paper);
  const { width, height } = size;
  const head = way.mini ? 0 : 12 + (drawing.look.title ? 30 : 0) + (drawing.look.subtitle ? 22 : 0);
  const foot = way.mini ? 0 : 8 + 20 * foots(drawing).length;
  const inside = { left: way.mini ? 6 : 16, top: head + (way.mini ? 6 : 8), width: width - (way.mini ? 12 : 32), height: height - head - foot - (way.mini ? 12 : 16) };
  const drawn = way.picture
    ? `<image href="${way.picture}" x="${inside.left}" y="${inside.top}" width="${inside.width}" height="${inside.height}" preserveAspectRatio="xMidYMid meet"/>`
    : ground(drawing, inside, colours, Boolean(way.mini));
  const words = way.mini ? "" : heading(drawing, colours) + footing(drawing, colours, height) + key(drawing, colours, size, foot);
  const back = way.mini ? "" : `<rect width="${width}" height="${height}" fill="${colours.surface}"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${escaped(colours.font)}">${back}${drawn}${words}</svg>`;
}

/** A text as XML. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "");
}

function ground(drawing: Drawing, inside: { left: number; top: number; width: number; height: number }, colours: Ink, mini: boolean): string {
  const values = single(drawing);
  const byKey = new Map(drawing.groups.map(({ key: name }, n) => [name, values[n] ?? null]));
  const project = fit(drawing, inside);
  if (!project) return "";
  const regions = (drawing.shapes?.features ?? []).map(({ geometry, properties }) => {
    const rings = geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat();
    const path = rings.map((ring) => `M${ring.map((at) => project(at as [number, number]).map((x) => x.toFixed(1)).join(",")).join("L")}Z`).join("");
    const value = drawing.form === "fill" ? byKey.get(properties.key) : undefined;
    const fill = value === null || value === undefined ? colours.nothing : drawing.ramp[classOf(value, drawing.breaks)];
    return `<path d="${path}" fill="${fill}" stroke="${colours.surface}" stroke-width="${mini ? 0.8 : 1.2}" fill-rule="evenodd"/>`;
  });
  const names = mini || drawing.form !== "fill" ? [] : labels(drawing, byKey, project, colours);
  return regions.join("") + points(drawing, values, project, colours, mini) + names.join("");
}

function labels(drawing: Drawing, byKey: Map<string, number | null>, project: Project, colours: Ink): string[] {
  const places = new Map(drawing.groups.map(({ key: name }, n) => [name, drawing.places?.[n] ?? null]));
  return (drawing.shapes?.features ?? []).flatMap(({ properties }) => {
    const place = places.get(properties.key);
    if (!place) return [];
    const [x, y] = project(place);
    const number = drawing.look.labels ? `<tspan x="${x.toFixed(1)}" dy="15" font-weight="600">${escaped(written(byKey.get(properties.key), drawing))}</tspan>` : "";
    return [`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="middle" font-size="12" fill="${colours.text}" stroke="${colours.surface}" stroke-width="3" paint-order="stroke" stroke-linejoin="round">${escaped(properties.name)}${number}</text>`];
  });
}

function points(drawing: Drawing, values: (number | null)[], project: Project, colours: Ink, mini: boolean): string {
  if (drawing.form === "fill" || !drawing.places) return "";
  const heat = drawing.form === "ground";
  const number = Math.max(1, drawing.breaks.length - 1);
  const order = values.map((value, n) => ({ value, n })).filter(({ value, n }) => value !== null && drawing.places![n]).sort((a, b) => b.value! - a.value!);
  return order.slice(0, mini ? 800 : 20_000).map(({ value, n }) => {
    const [x, y] = project(drawing.places![n]!);
    const at = classOf(value!, drawing.breaks);
    const r = heat ? (mini ? 6 : 14) : radius(at, number) * (mini ? 0.45 : 1);
    const fill = heat ? drawing.ramp[Math.floor(drawing.ramp.length * 0.6)] : drawing.ramp[at];
    const edge = heat ? "" : ` stroke="${colours.surface}" stroke-width="${mini ? 0.7 : 1.4}"`;
    return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${r.toFixed(1)}" fill="${fill}" fill-opacity="${heat ? 0.3 : 0.86}"${edge}/>`;
  }).join("");
}

/** Web Mercator fitted into a rectangle. */
function fit(drawing: Drawing, inside: { left: number; top: number; width: number; height: number }): Project | null {
  const mercator = ([lon, lat]: [number, number]): [number, number] => [lon, (Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) * 180) / Math.PI];
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  const take = (place: [number, number]): void => {
    const [x, y] = mercator(place);
    [west, south, east, north] = [Math.min(west, x), Math.min(south, y), Math.max(east, x), Math.max(north, y)];
  };
  for (const { geometry } of drawing.shapes?.features ?? []) {
    (geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat()).flat().forEach((at) => take(at as [number, number]));
  }
  if (drawing.form !== "fill") drawing.places?.forEach((place) => place && take(place));
  if (!Number.isFinite(west)) return null;
  const scale = Math.min(inside.width / Math.max(east - west, 1e-3), inside.height / Math.max(north - south, 1e-3));
  const [midX, midY] = [(west + east) / 2, (south + north) / 2];
  return (place) => {
    const [x, y] = mercator(place);
    return [inside.left + inside.width / 2 + (x - midX) * scale, inside.top + inside.height / 2 - (y - midY) * scale];
  };
}

function heading({ look }: Drawing, colours: Ink): string {
  const title = look.title ? `<text x="16" y="31" font-size="17" font-weight="600" fill="${colours.text}">${escaped(look.title)}</text>` : "";
  const y = look.title ? 55 : 28;
  return title + (look.subtitle ? `<text x="16" y="${y}" font-size="13" fill="${colours.muted}">${escaped(look.subtitle)}</text>` : "");
}

function footing(drawing: Drawing, colours: Ink, height: number): string {
  return foots(drawing).map((text, n, all) => `<text x="18" y="${height - 12 - 20 * (all.length - 1 - n)}" font-size="12" fill="${colours.muted}">${escaped(text)}</text>`).join("");
}

function key(drawing: Drawing, colours: Ink, { width, height }: Size, foot: number): string {
  if (drawing.look.legend === "none" || drawing.form === "ground") return "";
  const lines = classes(drawing);
  const points_ = drawing.form === "points";
  const step = points_ ? 26 : 20;
  const tall = 34 + lines.length * step;
  const left = drawing.look.legend === "right" ? width - 214 : 22;
  const top = drawing.look.legend === "top" ? 76 : height - foot - tall - 12;
  const items = lines.map(({ label, color }, n) => {
    const y = top + 30 + n * step;
    const mark = points_
      ? `<circle cx="${left + 24}" cy="${y + 6}" r="${Math.min(12, radius(n, lines.length) / 1.8)}" fill="${color}"/>`
      : `<rect x="${left + 12}" y="${y}" width="24" height="13" rx="2" fill="${color}"/>`;
    return `${mark}<text x="${left + 46}" y="${y + 11}" font-size="12" fill="${colours.text}">${escaped(label)}</text>`;
  });
  const unit = [drawing.measure, drawing.unit && `(${drawing.unit})`].filter(Boolean).join(" ");
  return `<g><rect x="${left}" y="${top}" width="192" height="${tall}" rx="6" fill="${colours.surface}" fill-opacity="0.92" stroke="${colours.line}"/><text x="${left + 12}" y="${top + 20}" font-size="12" font-weight="600" fill="${colours.text}">${escaped(unit)}</text>${items.join("")}</g>`;
}
