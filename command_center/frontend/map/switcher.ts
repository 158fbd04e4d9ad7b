// The layer switcher over the map: show, hide, unfold the legend.
import type { DeskMap } from "./desk-map";

/** Wire the switcher; `changed` hears the keys of the layers that show, or null where it is all of them. */
export function startSwitcher(map: DeskMap, changed: (on: string[] | null) => void): void {
  const boxes = [...document.querySelectorAll<HTMLInputElement>("input[data-show]")];
  for (const box of boxes) {
    box.checked = map.shows(box.dataset.show!);
    box.addEventListener("change", () => {
      map.show(box.dataset.show!, box.checked);
      const on = boxes.filter((other) => other.checked).map((other) => other.dataset.show!);
      changed(on.length === boxes.length ? null : on);
    });
  }
  const tell = (): void => {
    document.querySelectorAll<HTMLElement>("[data-from-zoom]").forEach((note) => {
      note.hidden = map.map.getZoom() >= map.shownFrom(note.dataset.fromZoom!);
    });
  };
  map.map.on("zoomend", tell);
  tell();
  document.querySelectorAll<HTMLElement>("[data-fold]").forEach((button) => {
    button.addEventListener("click", () => {
      const legend = button.parentElement?.querySelector<HTMLElement>(".keys");
      if (!legend) return;
      legend.hidden = !legend.hidden;
      button.setAttribute("aria-expanded", String(!legend.hidden));
    });
  });
}
