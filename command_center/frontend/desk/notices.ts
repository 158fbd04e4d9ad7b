// One's own notices as they come: the bell brings the newest, and what is new since the last look shows at the foot.
import { toast } from "./toasts";

const SEEN = "notice";
const SHOWN = "warned";
const KEPT = 50;

/**
 * What was shown already, on the pages before, too: an alarm comes by the stream to all who see its feature, again to
 * a page that is opened at that moment, and as a notice to whom it concerns.
 */
const shown = JSON.parse(sessionStorage.getItem(SHOWN) ?? "[]") as string[];

/** Show a line with its level, once under each key. */
export function warn(key: string, text: string, level: string, link: string): void {
  if (shown.includes(key)) return;
  shown.push(key);
  if (shown.length > KEPT) shown.shift();
  sessionStorage.setItem(SHOWN, JSON.stringify(shown));
  toast(text, "alarm", level, link);
}

/** Watch what the bell brings. */
export function startNotices(): void {
  document.body.addEventListener("htmx:afterSwap", (event) => {
    const bell = (event.target as Element).closest(".bell");
    if (bell) tell(bell.querySelector<HTMLElement>("[data-notice]")?.dataset ?? {});
  });
}

function tell({ notice = "", key = "", subject = "", level = "", link = "" }: DOMStringMap): void {
  // Ids grow with time. On the first page of a visit nothing is new: the number beside the bell says it.
  const before = sessionStorage.getItem(SEEN);
  if (before !== null && notice <= before) return;
  sessionStorage.setItem(SEEN, notice);
  if (before !== null) warn(key || notice, subject, level === "none" ? "" : level, link);
}
