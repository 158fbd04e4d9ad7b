// The pages of charts: the gallery with small pictures, one chart with its files, the editor with what it draws.
import { toast } from "../toasts";
import { words } from "../words";
import type { Drawing, Look } from "./drawing";
import { small, Stage } from "./stage";

const THUMB = { width: 320, height: 190 };
/** Texts of the form that are drawn while they are typed. */
const TYPED = ["title", "subtitle", "note", "x_title", "y_title", "unit"] as const;

/** Start whatever page of charts this is. */
export function startProducts(): void {
  document.querySelectorAll<HTMLElement>("[data-thumb]").forEach((holder) => watched.observe(holder));
  const holder = document.querySelector<HTMLElement>("[data-stage]");
  if (!holder) return;
  const stage = new Stage(holder);
  const form = document.querySelector<HTMLFormElement>("[data-chart-form]");
  let drawing = read();
  if (drawing) void stage.show(drawing);
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-chart-save]");
    if (button) void save(stage, button.dataset.chartSave as "png" | "svg", holder.dataset.name ?? "");
  });
  if (!form) return;
  document.body.addEventListener("htmx:afterSwap", () => {
    drawing = read();
    if (drawing) void stage.show(typed(drawing, form));
  });
  form.addEventListener("input", (event) => {
    const field = event.target as HTMLInputElement;
    if (drawing && (TYPED as readonly string[]).includes(field.name)) void stage.show(typed(drawing, form));
  });
}

/** What the page is to draw. */
function read(): Drawing | null {
  const text = document.getElementById("chart-drawing")?.dataset.drawing;
  return text ? (JSON.parse(text) as Drawing) : null;
}

/** The drawing with the texts as they stand in the form. */
function typed(drawing: Drawing, form: HTMLFormElement): Drawing {
  if (!drawing.look) return drawing;
  const texts = Object.fromEntries(TYPED.map((name) => [name, (form.elements.namedItem(name) as HTMLInputElement | null)?.value.trim() ?? ""]));
  const { unit, ...rest } = texts as Record<(typeof TYPED)[number], string>;
  return { ...drawing, unit: unit || drawing.unit, look: { ...drawing.look, ...rest } as Look };
}

async function save(stage: Stage, form: "png" | "svg", name: string): Promise<void> {
  try {
    const blob = await stage[form]();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name.replace(/[\\/:*?"<>|]/g, "_") || "chart"}.${form}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch {
    toast(words("failed"), "error");
  }
}

/** Small pictures are drawn when they come into sight, from the figures of whoever looks. */
const watched = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      watched.unobserve(target);
      void thumb(target as HTMLElement);
    }
  },
  { rootMargin: "200px" },
);

async function thumb(holder: HTMLElement): Promise<void> {
  const response = await fetch(holder.dataset.thumb!);
  const drawing = response.ok ? ((await response.json()) as Drawing) : null;
  const said = drawing ? drawing.trouble ?? drawing.empty : words("failed");
  if (said || !drawing) {
    holder.textContent = said ?? "";
    holder.dataset.state = "nothing";
    return;
  }
  const image = new Image(THUMB.width, THUMB.height);
  image.alt = "";
  image.src = small(drawing, THUMB.width, THUMB.height);
  holder.replaceChildren(image);
  holder.dataset.state = "drawn";
}
