// Drop-down menus (details), dialogs, tabs, copy buttons and the navigation's width: small things of every page.
import { keep } from "./cookies";
import { toast } from "./toasts";
import { words } from "./words";

/** Where there is little room the navigation is a drawer over the page, as css/narrow.css has it. */
const PHONE = window.matchMedia("(max-width: 760px)");

/** Listen for all of them on the document, so that fragments need no set-up. */
export function startMenus(): void {
  if (PHONE.matches) document.querySelector(".switcher")?.removeAttribute("open");
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    // A menu stays open while boxes are ticked in it, and closes once an item is chosen.
    const chosen = target.closest(".menu-body a, .menu-body > button");
    closeMenus(chosen ? null : target.closest("details.menu"));
    act(target);
    if (!target.closest(".side-nav, [data-nav-toggle]")) drawer(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      closeMenus(null);
      drawer(false);
    }
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") stepTab(event);
  });
}

function act(target: Element): void {
  const opener = target.closest<HTMLElement>("[data-dialog]");
  if (opener) (document.getElementById(opener.dataset.dialog ?? "") as HTMLDialogElement | null)?.showModal();
  if (target.closest("[data-dialog-close]")) target.closest("dialog")?.close();
  const copier = target.closest<HTMLElement>("[data-copy]");
  if (copier) void copy(new URL(copier.dataset.copy ?? "", location.href).href);
  const setter = target.closest<HTMLElement>("[data-set]");
  if (setter) fill(setter.dataset.set ?? "", setter.dataset.value ?? "");
  if (target.closest("[data-print]")) window.print();
  if (target.closest("[data-nav-toggle]")) toggleNavigation();
  const tab = target.closest("[role=tab]");
  if (tab) choose(tab);
}

/** Close every open menu but one. */
function closeMenus(except: Element | null): void {
  document.querySelectorAll<HTMLDetailsElement>("details.menu[open]").forEach((menu) => {
    if (menu !== except && !menu.contains(except)) menu.open = false;
  });
}

/** Put a proposed value into a field, for a person to save. */
function fill(id: string, value: string): void {
  const field = document.getElementById(id) as HTMLSelectElement | HTMLInputElement | null;
  if (!field) return;
  field.value = value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  field.focus();
}

async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
  toast(words("copied"), "success");
}

function drawer(open: boolean): void {
  if (!PHONE.matches) return;
  document.body.classList.toggle("nav-open", open);
  document.querySelector("[data-nav-toggle]")?.setAttribute("aria-expanded", String(open));
}

function toggleNavigation(): void {
  if (PHONE.matches) {
    drawer(!document.body.classList.contains("nav-open"));
    document.querySelector<HTMLElement>(".nav-open .nav-line")?.focus();
    return;
  }
  const narrow = document.querySelector<HTMLElement>(".side-nav")!.offsetWidth < 100;
  document.body.classList.toggle("nav-mini", !narrow);
  document.body.classList.toggle("nav-full", narrow);
  keep("nav", narrow ? "full" : "mini");
}

function choose(tab: Element): void {
  tab.parentElement?.querySelectorAll("[role=tab]").forEach((other) => {
    other.setAttribute("aria-selected", String(other === tab));
  });
}

function stepTab(event: KeyboardEvent): void {
  const tab = (event.target as Element).closest<HTMLElement>("[role=tab]");
  const next = event.key === "ArrowRight" ? tab?.nextElementSibling : tab?.previousElementSibling;
  if (next instanceof HTMLElement) next.focus();
}
