// The page of a form: the map picker, the region proposed from it, a warning before unsaved work is lost.
import { startPicker } from "../map/picker";
import { choose } from "./references";

/** Set up the form of a page. */
export async function startForm(): Promise<void> {
  const form = document.querySelector<HTMLFormElement>("[data-form]")!;
  watch(form);
  const holder = document.querySelector<HTMLElement>("[data-picker]");
  if (holder) await startPicker(holder, (lon, lat) => void fillRegion(form, lon, lat));
}

/** Once a place is drawn, propose the region it lies in, unless one is chosen. */
async function fillRegion(form: HTMLFormElement, lon: number, lat: number): Promise<void> {
  const key = form.querySelector<HTMLInputElement>("input[type=hidden][name=region]");
  const box = key?.closest<HTMLElement>("[data-reference]");
  if (!key || !box || key.value) return;
  const response = await fetch(`/desk/region-at?lon=${lon}&lat=${lat}`);
  if (!response.ok) return;
  const region = (await response.json()) as { code?: string; name?: string };
  if (region.code && !key.value) choose(box, region.code, region.name ?? "");
}

function watch(form: HTMLFormElement): void {
  let unsaved = false;
  form.addEventListener("change", () => {
    unsaved = true;
    form.querySelector("[data-unsaved]")?.removeAttribute("hidden");
  });
  form.addEventListener("submit", () => {
    unsaved = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (unsaved) event.preventDefault();
  });
}
