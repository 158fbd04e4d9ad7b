// The search box over everything: suggestions by arrow keys, "/" to reach it, Escape to leave.

/** Set up the box; htmx fetches the suggestions. */
export function startFind(): void {
  const form = document.querySelector<HTMLFormElement>("[data-find]");
  const input = form?.querySelector("input");
  const found = document.getElementById("found");
  if (!form || !input || !found) return;
  const show = (open: boolean): void => {
    form.classList.toggle("open", open && found.childElementCount > 0);
    input.setAttribute("aria-expanded", String(form.classList.contains("open")));
  };
  found.addEventListener("htmx:afterSwap", () => show(document.activeElement === input));
  input.addEventListener("focus", () => show(true));
  document.addEventListener("click", (event) => {
    if (!form.contains(event.target as Node)) show(false);
  });
  document.addEventListener("keydown", (event) => {
    const typing = (event.target as Element).closest("input, textarea, select");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      show(false);
      input.blur();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const options = [...found.querySelectorAll<HTMLElement>("[role=option]")];
    const place = options.indexOf(document.activeElement as HTMLElement) + step;
    (options[place] ?? (step > 0 ? options[0] : input))?.focus();
  });
}
