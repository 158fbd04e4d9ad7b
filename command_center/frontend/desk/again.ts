// Parts of a page that are read again every few seconds, while nobody has opened something in them.
import htmx from "htmx.org";

/** Have every such part read again in its own time. */
export function startAgain(): void {
  document.querySelectorAll<HTMLElement>("[data-again]").forEach((part) => {
    window.setInterval(() => {
      if (!document.hidden && !part.querySelector("details[open], dialog[open]")) htmx.trigger(part, "again", {});
    }, Number(part.dataset.again) * 1000);
  });
}
