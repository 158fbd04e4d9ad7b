// Map, list and panel in step: every change goes through the address, so Back undoes it.
import htmx from "htmx.org";
import type { DeskMap } from "../map/desk-map";
import { filtersOf, parseOpen, read, write, type Open, type Place } from "./address";
import { keep } from "./cookies";
import { colorsOf, rewrite } from "./cells";
import { fillCounts } from "./counts";
import { hear, type Row } from "./live";
import { startSplitter } from "./splitter";
import { toast } from "./toasts";
import { words } from "./words";

const TYPING = 350;
/** Milliseconds for which changes gather before the list is fetched again because of them. */
const SETTLING = 4_000;

/** The page with a map: one layer with its list, or the overview of all. */
export class Workspace {
  private readonly key: string;
  private place: Place;
  private map: DeskMap | null = null;
  private typing = 0;
  private settling = 0;

  private constructor(private readonly root: HTMLElement) {
    this.key = root.dataset.key ?? "";
    this.place = read(new URL(location.href));
  }

  /** Wire the page up, then load the map. */
  static async start(root: HTMLElement): Promise<void> {
    const workspace = new Workspace(root);
    workspace.listen();
    void workspace.count();
    startSplitter(root);
    hear({
      rows: (layer, rows) => workspace.told(layer, rows),
      again: (layer) => workspace.again(layer),
      reset: () => workspace.reset(),
    });
    await workspace.openMap();
  }

  private async openMap(): Promise<void> {
    const holder = document.getElementById("map")!;
    try {
      const { DeskMap } = await import("../map/desk-map");
      const { startSwitcher } = await import("../map/switcher");
      const shown = new Set(this.place.query.get("on")?.split(",") ?? (this.key ? [this.key] : []));
      this.map = await DeskMap.open(holder, {
        shown: this.key || this.place.query.has("on") ? shown : null,
        queries: this.queries(),
        onPick: (open) => this.go({ open }, { fromMap: true }),
        onMove: () => this.moved(),
      });
      startSwitcher(this.map, (on) => this.switched(on));
      const { startSurfaces } = await import("../map/surfaces");
      void this.map.ready.then(() => startSurfaces(this.map!, this.place.query.get("surface"), (text) => this.keepInAddress("surface", text)));
      this.map.select(this.place.open);
      if (this.place.open && !location.hash.includes("map=")) this.locate();
      if (!this.key && this.place.open) this.openPanel(this.place.open, false);
    } catch (error) {
      console.error(error);
      holder.classList.add("broken");
      holder.textContent = words(error instanceof Error && /webgl/i.test(error.message) ? "no_webgl" : "map_failed");
    }
  }

  /** The tile filters: the page's own on its layer; on the overview the region on every layer. */
  private queries(): Record<string, string> {
    return this.key ? { [this.key]: filtersOf(this.withoutBox()).toString() } : {};
  }

  private withoutBox(): URLSearchParams {
    const query = new URLSearchParams(this.place.query);
    query.delete("bbox");
    return query;
  }

  /** Go to another state and remember it in the history. */
  go(change: Partial<Place>, how: { fromMap?: boolean; replace?: boolean } = {}): void {
    const next = { ...this.place, ...change };
    const address = write(this.key, next);
    if (how.replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    this.apply(next, how.fromMap ?? false);
  }

  private apply(next: Place, fromMap = false): void {
    const before = this.place;
    this.place = next;
    if (String(next.query) !== String(before.query)) {
      if (this.key) {
        this.refresh("results");
        if (String(filtersOf(next.query)) !== String(filtersOf(before.query))) {
          this.map?.filter(this.queries());
          if (document.activeElement?.id !== "filter-q") this.refresh("filters");
        }
        this.carry();
      }
    }
    if (next.open?.id !== before.open?.id) this.openPanel(next.open, !fromMap);
  }

  private refresh(target: string): void {
    const query = this.place.query.toString();
    void htmx.ajax("get", `/desk/${this.key}${query ? `?${query}` : ""}`, { target: `#${target}` });
  }

  /** Features changed: their cells, their panel and their symbols follow where they stand. */
  private told(layer: string, rows: Row[]): void {
    const names = new Set(rows.flatMap((row) => Object.keys(row.texts)));
    const hides = layer === this.key && [...this.place.query.keys()].some((name) => names.has(name.replace(/__(min|max)$/, "")));
    this.map?.told(layer, rows, hides);
    const panel = document.querySelector<HTMLElement>(".panel-content");
    const list = document.getElementById("results");
    for (const row of rows) {
      const line = layer === this.key && list?.querySelector(`tr[data-id="${CSS.escape(row.id)}"]`);
      if (line) rewrite(line, row, colorsOf(this.root));
      if (panel?.dataset.feature === `${layer}/${row.id}`) {
        rewrite(panel, row, colorsOf(panel));
        void this.draw(panel);
      }
    }
    if (hides || (layer === this.key && this.sorted(names))) this.settle();
  }

  private sorted(names: Set<string>): boolean {
    return (this.place.query.get("sort") ?? "").split(",").some((name) => names.has(name.replace(/^-/, "")));
  }

  /** Curves that are shown take in what was measured. */
  private async draw(panel: HTMLElement): Promise<void> {
    if (!panel.querySelector(".curve-form")) return;
    const { refresh } = await import("./curves");
    refresh(panel);
  }

  private again(layer: string): void {
    this.map?.again(layer);
    if (layer === this.key) this.settle();
  }

  private reset(): void {
    for (const key of this.map?.keys ?? []) this.map?.again(key);
    if (this.key) this.settle();
    // What somebody is writing in the panel stays.
    if (this.place.open && !document.querySelector("#panel form:not(.curve-form) :is(input, textarea):focus")) {
      this.openPanel(this.place.open, false);
    }
  }

  /** Fetch the list again where it stands, once for all changes of a few seconds. */
  private settle(): void {
    if (this.settling) return;
    this.settling = window.setTimeout(() => {
      this.settling = 0;
      const top = document.querySelector("#results .table-scroll")?.scrollTop ?? 0;
      const query = this.place.query.toString();
      void htmx.ajax("get", `/desk/${this.key}${query ? `?${query}` : ""}`, { target: "#results" }).then(() => {
        const frame = document.querySelector("#results .table-scroll");
        if (frame) frame.scrollTop = top;
      });
    }, SETTLING);
  }

  private openPanel(open: Open | null, fly: boolean): void {
    const panel = document.getElementById("panel")!;
    panel.classList.toggle("open", open !== null);
    this.map?.select(open);
    this.mark();
    if (!open) {
      panel.replaceChildren();
      return;
    }
    void htmx.ajax("get", `/desk/${open.key}/${open.id}`, { target: "#panel" }).then(() => {
      document.title = panel.querySelector<HTMLElement>("[data-title]")?.dataset.title ?? document.title;
      if (fly) this.locate();
    });
  }

  /** Fly to the open feature. */
  private locate(): void {
    const content = document.querySelector<HTMLElement>("[data-feature]");
    const numbers = (text: string | undefined): number[] => (text ? text.split(",").map(Number) : []);
    this.map?.look(numbers(content?.dataset.place), numbers(content?.dataset.extent));
  }

  /** Light up the row of the open feature. */
  private mark(): void {
    document.querySelectorAll<HTMLElement>("tr[data-id]").forEach((row) => {
      const here = row.dataset.id === this.place.open?.id;
      row.classList.toggle("selected", here);
      if (here) reveal(row);
    });
  }

  private moved(): void {
    if (this.inView()) this.watchView();
    else history.replaceState(null, "", write(this.key, this.place));
  }

  private inView(): boolean {
    return document.querySelector<HTMLInputElement>("[data-in-view]")?.checked ?? false;
  }

  /** The list, or the counts of the overview, follow the map's view. */
  private watchView(): void {
    const box = this.inView() ? this.map?.box() : undefined;
    if (!this.key) {
      void this.count(box);
      return;
    }
    const query = this.withoutBox();
    query.delete("page");
    if (box) query.set("bbox", box);
    this.go({ query }, { replace: true });
  }

  private async count(box?: string): Promise<void> {
    const query = new URLSearchParams();
    const region = this.root.dataset.regionName && this.place.query.get(this.root.dataset.regionName);
    if (region) query.set("region", region);
    await fillCounts(query);
    if (box) {
      query.set("bbox", box);
      await fillCounts(query, document.querySelector(".switcher")!);
    }
  }

  private switched(on: string[] | null): void {
    this.keepInAddress("on", on?.join(",") ?? null);
  }

  /** Note how the screen looks in the address, without a step of the history. */
  private keepInAddress(name: string, value: string | null): void {
    const query = new URLSearchParams(this.place.query);
    if (value) query.set(name, value);
    else query.delete(name);
    this.place = { ...this.place, query };
    history.replaceState(null, "", write(this.key, this.place));
  }

  /** Links that lead to the same rows elsewhere: statistics, export, hand-on map. */
  private carry(): void {
    document.querySelectorAll<HTMLAnchorElement>("a[data-carry]").forEach((link) => {
      const url = new URL(link.dataset.carry!, location.origin);
      filtersOf(this.place.query).forEach((value, name) => url.searchParams.append(name, value));
      link.href = url.pathname + url.search;
    });
  }

  private listen(): void {
    this.carry();
    this.mark();
    window.addEventListener("popstate", () => this.apply(read(new URL(location.href))));
    let unfolded = "";
    document.body.addEventListener("htmx:beforeSwap", () => {
      unfolded = document.querySelector<HTMLElement>("details[data-filter][open]")?.dataset.filter ?? "";
    });
    document.body.addEventListener("htmx:afterSwap", (event) => {
      const swapped = event.target as Element;
      if (swapped.id === "results") this.mark();
      // The bar is drawn anew after every choice; a menu in which more is to be chosen stays open.
      if (swapped.id === "filters") swapped.querySelector(`[data-filter="${CSS.escape(unfolded)}"]`)?.setAttribute("open", "");
    });
    document.addEventListener("click", (event) => this.clicked(event));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.place.open && !document.querySelector("dialog[open], details.menu[open]")) {
        this.go({ open: null });
      }
    });
    const form = document.querySelector<HTMLFormElement>("[data-filters]");
    form?.addEventListener("change", () => this.filtered(form));
    form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.filtered(form);
    });
    form?.addEventListener("input", (event) => {
      if ((event.target as Element).id !== "filter-q") return;
      clearTimeout(this.typing);
      this.typing = window.setTimeout(() => this.filtered(form), TYPING);
    });
    document.querySelector("[data-in-view]")?.addEventListener("change", () => this.watchView());
    document.addEventListener("change", (event) => this.chooseColumns(event.target as Element));
  }

  private clicked(event: MouseEvent): void {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    const target = event.target as Element;
    const opener = target.closest<HTMLElement>("[data-open]") ?? target.closest<HTMLElement>("tr[data-id]");
    if (opener && !target.closest("button, input")) {
      event.preventDefault();
      const id = opener.dataset.id;
      this.go({ open: id ? { key: this.key, id } : parseOpen(opener.dataset.open) });
    } else if (target.closest("[data-close]")) {
      event.preventDefault();
      this.go({ open: null });
    } else if (target.closest("[data-locate]")) {
      this.locate();
    } else if (target.closest("[data-columns-reset]")) {
      keep(`columns.${this.key}`, "");
      this.refresh("results");
    } else {
      this.followed(event, target);
    }
  }

  /** Links that change the query of this page. */
  private followed(event: MouseEvent, target: Element): void {
    const link = target.closest<HTMLAnchorElement>("a[data-query]");
    const spot = target.closest<HTMLElement>("a[data-go]");
    const region = target.closest<HTMLElement>("a[data-region]");
    if (spot && this.map) {
      event.preventDefault();
      this.map.look(spot.dataset.go!.split(",").map(Number), []);
      toast(spot.dataset.go!);
    } else if (link) {
      event.preventDefault();
      this.go({ query: read(new URL(link.href)).query });
    } else if (region) {
      // The breadcrumb itself changes: the page is drawn anew, with the rest of its query.
      event.preventDefault();
      const query = filtersOf(this.withoutBox());
      const name = this.root.dataset.regionName ?? "region";
      query.delete(name);
      if (region.dataset.region) query.set(name, region.dataset.region);
      location.assign(write(this.key, { open: null, query }).split("#")[0]!);
    }
  }

  private filtered(form: HTMLFormElement): void {
    clearTimeout(this.typing);
    const query = new URLSearchParams();
    new FormData(form).forEach((value, name) => {
      if (typeof value === "string" && value.trim()) query.append(name, value.trim());
    });
    for (const kept of ["size", "sort", "on", "surface", "bbox", this.root.dataset.regionName ?? "region"]) {
      const value = this.place.query.get(kept);
      if (value && !query.has(kept)) query.set(kept, value);
    }
    if (String(query) !== String(this.place.query)) this.go({ query });
  }

  private chooseColumns(target: Element): void {
    const menu = target.closest<HTMLElement>("[data-columns]");
    if (!menu) return;
    const chosen = [...menu.querySelectorAll<HTMLInputElement>("input:checked")].map((box) => box.value);
    keep(`columns.${this.key}`, chosen.join(","));
    this.refresh("results");
  }
}

/** Scroll a row into sight, up and down only. */
function reveal(row: HTMLElement): void {
  const frame = row.closest<HTMLElement>(".table-scroll");
  if (!frame) return;
  const head = frame.querySelector("thead")?.offsetHeight ?? 0;
  if (row.offsetTop - head < frame.scrollTop) frame.scrollTop = row.offsetTop - head;
  else if (row.offsetTop + row.offsetHeight > frame.scrollTop + frame.clientHeight) {
    frame.scrollTop = row.offsetTop + row.offsetHeight - frame.clientHeight;
  }
}
