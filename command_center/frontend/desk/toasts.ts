// Short messages at the foot of the page: the server's, and what htmx could not do.
import { words } from "./words";

const SHOWN_FOR = 5_000;
/** What leads somewhere stays until a thumb has reached it. */
const LEADS_FOR = 12_000;

/** Show a line of text for a few seconds, with its level and where it leads to. */
export function toast(text: string, kind: "success" | "error" | "info" | "alarm" = "info", level = "", link = ""): void {
  const line = document.createElement(link ? "a" : "div");
  line.className = `toast-line ${kind}`;
  line.textContent = text;
  if (line instanceof HTMLAnchorElement) line.href = link;
  if (level) line.prepend(shape(level));
  document.getElementById("toasts")?.append(line);
  fade(line, link ? LEADS_FOR : SHOWN_FOR);
}

/** Fade the server's messages, and turn failed requests into messages. */
export function startToasts(): void {
  document.querySelectorAll<HTMLElement>(".toast-line").forEach((line) => fade(line));
  document.body.addEventListener("htmx:responseError", (event) => {
    const { xhr } = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail;
    if (xhr.status === 401) {
      location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
      return;
    }
    toast(detail(xhr.responseText) ?? words("failed"), "error");
  });
  document.body.addEventListener("htmx:sendError", () => toast(words("offline"), "error"));
  document.body.addEventListener("toast", (event) => {
    toast((event as CustomEvent<{ value: string }>).detail.value, "success");
  });
}

/** The level by shape and colour. */
function shape(level: string): HTMLElement {
  const mark = document.createElement("span");
  mark.className = `level level-${level}`;
  return mark;
}

function fade(line: HTMLElement, after = SHOWN_FOR): void {
  setTimeout(() => line.remove(), after);
}

/** The sentence of a problem document. */
function detail(body: string): string | undefined {
  try {
    return (JSON.parse(body) as { detail?: string }).detail;
  } catch {
    return undefined;
  }
}
