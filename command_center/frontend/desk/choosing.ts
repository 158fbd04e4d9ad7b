// The box in a table's heading chooses every row that can be chosen.

/** Let heading boxes choose their rows. */
export function startChoosing(): void {
  document.addEventListener("change", (event) => {
    const box = event.target as HTMLInputElement;
    if (!box.matches?.("[data-choose-all]")) return;
    box.closest("table")?.querySelectorAll<HTMLInputElement>("tbody input[type=checkbox]:not(:disabled)").forEach((each) => {
      each.checked = box.checked;
    });
  });
}
