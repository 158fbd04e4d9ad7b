// References: a row of another layer, found by typing a part of its name.

/** Choose a row for a reference, or clear it; works in fragments too. */
export function startReferences(): void {
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    const box = target.closest<HTMLElement>("[data-reference]");
    document.querySelectorAll<HTMLElement>("[data-reference].open").forEach((other) => {
      if (other !== box) other.classList.remove("open");
    });
    if (!box) return;
    const option = target.closest<HTMLElement>("[role=option]");
    if (option) choose(box, option.dataset.value ?? "", option.dataset.name ?? "");
    else if (target.closest("[data-reference-clear]")) choose(box, "", "");
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const box = (event.target as Element).closest<HTMLElement>("[data-reference]");
    box?.classList.toggle("open", box.contains(document.activeElement));
  });
  document.addEventListener("keydown", (event) => {
    const box = (event.target as Element).closest<HTMLElement>("[data-reference]");
    if (!box) return;
    if (event.key === "Escape") box.classList.remove("open");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const options = [...box.querySelectorAll<HTMLElement>("[role=option]")];
    options[options.indexOf(document.activeElement as HTMLElement) + step]?.focus();
  });
}

/** Put a row into a reference. */
export function choose(box: HTMLElement, value: string, name: string): void {
  const [key, text] = box.querySelectorAll<HTMLInputElement>("input");
  if (!key || !text) return;
  key.value = value;
  text.value = name;
  box.classList.remove("open");
  key.dispatchEvent(new Event("change", { bubbles: true }));
}
