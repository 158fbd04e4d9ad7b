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
