// The tab that is open in a panel stands in the address beside the place of the map, so that a link leads back to it.

const TAB = /^tab-[\w-]+$/;
/** Whether what comes into the panel next was asked for by the address, and is to be seen without scrolling. */
let sought = false;

/** Open the tab that the address names, now and in every panel that comes; write the one that somebody chooses. */
export function startTabs(): void {
  document.addEventListener("click", (event) => {
    const tab = (event.target as Element).closest<HTMLElement>("#panel [role=tab]");
    if (tab) remember(tab.id);
  });
  window.addEventListener("hashchange", reopen);
  document.body.addEventListener("htmx:afterSettle", (event) => {
    const { target } = (event as CustomEvent<{ target?: Element }>).detail;
    if (target?.id === "panel") reopen();
    if (target?.id === "tab-body" && sought) {
      sought = false;
      show();
    }
  });
  reopen();
}

/** The panel alone is scrolled; scrollIntoView would move the desk under its top bar as well. */
function show(): void {
  const frame = document.querySelector<HTMLElement>("#panel .panel-scroll");
  const tabs = frame?.querySelector(".tabs");
  if (frame && tabs) frame.scrollTop += tabs.getBoundingClientRect().top - frame.getBoundingClientRect().top;
}

function parts(): string[] {
  return location.hash.slice(1).split("&").filter(Boolean);
}

function remember(id: string): void {
  const others = parts().filter((part) => !TAB.test(part));
  // Not a step in the history: Back leads to the feature before, not to the tab before.
  history.replaceState(history.state, "", `#${[id, ...others].join("&")}`);
}

function reopen(): void {
  const id = parts().find((part) => TAB.test(part));
  const tab = id ? document.querySelector<HTMLElement>(`#panel #${id}[role=tab]`) : null;
  if (!tab || tab.getAttribute("aria-selected") === "true") return;
  sought = true;
  tab.click();
}
