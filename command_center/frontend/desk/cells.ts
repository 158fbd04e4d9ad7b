// Texts that change in place: cells of the list, values of the panel, a short light on what is new.
import type { Row } from "./live";

/** Write what changed of a feature into everything under `root` that shows it; says whether something was there. */
export function rewrite(root: ParentNode, row: Row, colors: Record<string, string>): boolean {
  let found = false;
  for (const [name, text] of Object.entries(row.texts)) {
    root.querySelectorAll<HTMLElement>(`[data-cell="${CSS.escape(name)}"]`).forEach((cell) => {
      const inner = cell.querySelector<HTMLElement>("a, .state") ?? cell;
      if (inner.textContent?.trim() === text) return;
      inner.textContent = text;
      if (name === "state") {
        const color = colors[String(row.values.state)];
        if (color) inner.style.setProperty("--c", color);
        else inner.style.removeProperty("--c");
      }
      light(cell);
      found = true;
    });
  }
  return found;
}

/** The colours of the states that an element knows. */
export function colorsOf(element: HTMLElement | null): Record<string, string> {
  return JSON.parse(element?.dataset.colors || "{}") as Record<string, string>;
}

function light(cell: HTMLElement): void {
  cell.classList.remove("fresh");
  // The animation begins anew only after the browser has seen it gone.
  void cell.offsetWidth;
  cell.classList.add("fresh");
  cell.addEventListener("animationend", () => cell.classList.remove("fresh"), { once: true });
}
