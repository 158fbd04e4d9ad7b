// The sentences that scripts show, in the page's language, from the block that the server renders.
const element = document.getElementById("words");
const sentences = JSON.parse(element?.textContent ?? "{}") as Record<string, string>;

/** The sentence under a key. */
export function words(key: string): string {
  return sentences[key] ?? key;
}
