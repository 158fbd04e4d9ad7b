// The number of features beside each layer, in the navigation and in the layer switcher.

/** Fetch the counts, within a box where one is given, and write them. */
export async function fillCounts(query = new URLSearchParams(), within: ParentNode = document): Promise<void> {
  const response = await fetch(`/desk/counts?${query}`);
  if (!response.ok) return;
  const counts = (await response.json()) as Record<string, number>;
  within.querySelectorAll<HTMLElement>("[data-count]").forEach((place) => {
    place.textContent = (counts[place.dataset.count ?? ""] ?? 0).toLocaleString("en-US");
  });
}
