// The box in a table's heading chooses every row that can be chosen; a list that is drawn anew keeps what was chosen.

/** Let heading boxes choose their rows, and lists of alarms follow what happens. */
export function startChoosing(): void {
  document.addEventListener("change", (event) => {
    const box = event.target as HTMLInputElement;
    if (!box.matches?.("[data-choose-all]")) return;
    box.closest("table")?.querySelectorAll<HTMLInputElement>("tbody input[type=checkbox]:not(:disabled)").forEach((each) => {
      each.checked = box.checked;
    });
  });
  let chosen = new Set<string>();
  let known = new Set<string>();
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const list = event.target as Element;
    if (list.id !== "alarms" && list.id !== "alarm-side") return;
    // Somebody is writing, or about to press what would move away under the finger.
    if (list.querySelector("details[open]") || document.querySelector("dialog[open]")) {
      (event as CustomEvent<{ shouldSwap: boolean }>).detail.shouldSwap = false;
      return;
    }
    chosen = new Set([...list.querySelectorAll<HTMLInputElement>("input[name=alarm]:checked")].map(({ value }) => value));
    known = new Set(rowsOf(list).map((row) => row.dataset.alarm!));
  });
  document.body.addEventListener("htmx:afterSwap", () => {
    const list = document.getElementById("alarms");
    if (!list) return;
    for (const row of rowsOf(list)) {
      const box = row.querySelector<HTMLInputElement>("input[name=alarm]");
      if (box && chosen.has(box.value)) box.checked = true;
      if (known.size && !known.has(row.dataset.alarm!)) row.classList.add("fresh");
    }
    chosen.clear();
    known.clear();
  });
}

/** The dialog of people says that it waits, and never shows those of the alarm before. */
export function startPushing(): void {
  const people = document.getElementById("push-people");
  const waiting = people?.firstElementChild?.cloneNode(true);
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (people && waiting && (event as CustomEvent<{ target: Element }>).detail.target === people) {
      people.replaceChildren(waiting.cloneNode(true));
    }
  });
}

function rowsOf(list: Element): HTMLElement[] {
  return [...list.querySelectorAll<HTMLElement>("tr[data-alarm]")];
}
