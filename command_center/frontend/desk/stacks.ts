// Tables that become cards where there is little room: each cell knows its heading, which the style sheet then shows.

/** Label the cells of such tables, those that come later too. */
export function startStacks(): void {
  label(document.body);
  document.body.addEventListener("htmx:afterSwap", () => label(document.body));
}

function label(root: ParentNode): void {
  root.querySelectorAll<HTMLTableElement>("table.stack:not([data-labelled])").forEach((table) => {
    table.dataset.labelled = "";
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])].map((head) => head.textContent?.trim() ?? "");
    for (const body of table.tBodies) {
      for (const row of body.rows) {
        for (const cell of row.cells) if (cell.colSpan === 1) cell.dataset.label = heads[cell.cellIndex] ?? "";
      }
    }
  });
}
