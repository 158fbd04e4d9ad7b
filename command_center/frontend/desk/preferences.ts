// Language and theme are plain forms; the map's position in the address survives the round trip.

/** Send the address with its hash, which the server does not know. */
export function startPreferences(): void {
  document.querySelectorAll<HTMLFormElement>("[data-preferences]").forEach((form) => {
    form.addEventListener("submit", () => {
      const next = form.elements.namedItem("next");
      if (next instanceof HTMLInputElement) next.value = location.pathname + location.search + location.hash;
    });
  });
}

/** Forms of filters outside the workspace send themselves when a value changes. */
export function startFilterForms(): void {
  document.querySelectorAll<HTMLFormElement>("form[data-auto-submit]").forEach((form) => {
    form.addEventListener("change", (event) => {
      const changed = event.target as HTMLInputElement;
      // What is typed to find a point is no field of the form, and leaving it must not send the form.
      if (changed.form !== form) return;
      // A time of one's own takes the place of a length up to now, once both its ends are there, and the other way round.
      const own = [...form.querySelectorAll<HTMLInputElement>("[data-custom-time]")];
      if (own.includes(changed)) {
        if (own.some((input) => !input.value)) return;
        form.querySelectorAll<HTMLInputElement>("input[name=range]").forEach((input) => (input.disabled = true));
      } else if (changed.name === "range") {
        own.forEach((input) => (input.value = ""));
      }
      // A feature and a region: whichever was chosen last.
      if ("either" in form.dataset && changed.value && ["feature", "region"].includes(changed.name)) {
        const other = form.elements.namedItem(changed.name === "feature" ? "region" : "feature");
        if (other instanceof HTMLInputElement) other.value = "";
      }
      for (const input of form.querySelectorAll("input")) if (input.value === "") input.disabled = true;
      form.submit();
    });
  });
  document.querySelectorAll<HTMLSelectElement>("[data-auto-submit-select]").forEach((select) => {
    select.addEventListener("change", () => select.form?.requestSubmit());
  });
  const upload = document.querySelector<HTMLInputElement>("[data-upload] input[type=file]");
  const drop = upload?.closest<HTMLElement>(".drop");
  upload?.addEventListener("change", () => {
    const name = drop?.querySelector("[data-file-name]");
    if (name && upload.files?.[0]) name.textContent = upload.files[0].name;
  });
  drop?.addEventListener("dragover", (event) => event.preventDefault());
  drop?.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!upload || !event.dataTransfer?.files.length) return;
    upload.files = event.dataTransfer.files;
    upload.dispatchEvent(new Event("change"));
  });
}
