// Live events: a stream where there is one, asking every few seconds where there is none, and what the page shows of it.
import { warn } from "./notices";
import { words } from "./words";

/** What changed in a feature: stored values, texts as a person reads them, and where it is. */
export interface Row {
  id: string;
  values: Record<string, unknown>;
  texts: Record<string, string>;
  place?: [number, number];
}

/** What a part of the page does about it. */
export interface Hearer {
  rows?(layer: string, rows: Row[]): void;
  /** The layer is to be read again. */
  again?(layer: string): void;
  /** Everything is. */
  reset?(): void;
}

interface Told {
  topic: string;
  data: { at?: number; layer?: string; rows?: Row[]; title?: string; level?: string; id?: string; act?: number; batch?: string; plant?: string; project?: string };
}

type State = "connecting" | "live" | "polling" | "reconnecting" | "offline";

const POLL = 10_000;
/** Without a sign of life for so long the connection is dead, whatever the browser thinks: a beat comes every 15 s. */
const DEAD = 40_000;
/** A page that nobody looks at gives its connection back. */
const HIDDEN = 60_000;
/** Failed attempts after which the page asks instead, while it goes on trying. */
const PATIENCE = 2;
const TOPICS = ["features", "layers", "alarms", "charges", "hello", "beat", "reset"];
const LEVELS = ["red", "orange", "yellow", "blue"];

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit", second: "2-digit" });

let feed: Feed | null = null;

/** Listen to what happens; nothing comes where nobody is logged in. */
export function hear(hearer: Hearer): void {
  feed?.hearers.push(hearer);
}

/** Start, on a page that says where the events are. */
export function startLive(): void {
  const holder = document.querySelector<HTMLElement>("[data-live]");
  if (holder) feed = new Feed(holder);
}

class Feed {
  readonly hearers: Hearer[] = [];
  private source: EventSource | null = null;
  private after: string;
  private failed = 0;
  private heardAt = Date.now();
  private retry = 0;
  private poll = 0;
  private hidden = 0;
  private at = 0;

  constructor(private readonly holder: HTMLElement) {
    this.after = holder.dataset.liveAfter ?? "";
    document.addEventListener("visibilitychange", () => this.looked());
    window.addEventListener("online", () => this.connect());
    window.addEventListener("offline", () => this.show("offline"));
    window.addEventListener("pagehide", () => this.disconnect());
    window.addEventListener("pageshow", (event) => event.persisted && this.connect());
    window.setInterval(() => this.watch(), 5_000);
    this.connect();
  }

  private connect(): void {
    this.disconnect();
    const address = this.holder.dataset.live;
    if (!address) {
      this.ask();
      return;
    }
    const url = new URL(address, location.href);
    url.searchParams.set("lang", document.documentElement.lang);
    if (this.after) url.searchParams.set("after", this.after);
    this.heardAt = Date.now();
    const source = new EventSource(url, { withCredentials: true });
    this.source = source;
    for (const topic of TOPICS) {
      source.addEventListener(topic, (event) => this.heard(event as MessageEvent<string>));
    }
    source.onerror = () => this.lost(source);
  }

  private disconnect(): void {
    clearTimeout(this.retry);
    clearTimeout(this.poll);
    this.poll = 0;
    this.source?.close();
    this.source = null;
  }

  private heard(event: MessageEvent<string>): void {
    if (event.lastEventId) this.after = event.lastEventId;
    this.heardAt = Date.now();
    this.failed = 0;
    clearTimeout(this.poll);
    this.poll = 0;
    this.take({ topic: event.type, data: JSON.parse(event.data) as Told["data"] });
    if (event.type === "beat" || event.type === "hello") {
      // The stream lives, and the database behind it may not.
      this.show(event.type === "beat" && this.stale() ? "reconnecting" : "live");
    } else this.show("live");
  }

  private stale(): boolean {
    return this.holder.dataset.liveAt === String(this.at) && this.at > 0;
  }

  private take({ topic, data }: Told): void {
    if (data.at) {
      this.holder.dataset.liveAt = String(this.at);
      this.at = data.at;
    }
    if (topic === "features" && data.layer && data.rows) {
      for (const hearer of this.hearers) hearer.rows?.(data.layer, data.rows);
      this.at = Math.max(this.at, Date.now() / 1000);
    } else if (topic === "layers" && data.layer) for (const hearer of this.hearers) hearer.again?.(data.layer);
    else if (topic === "reset") for (const hearer of this.hearers) hearer.reset?.();
    else if (topic === "alarms") alarm(data);
    else if (topic === "charges") charged(data);
  }

  /** The stream broke: the browser tries again by itself unless it was refused; meanwhile the page asks. */
  private lost(source: EventSource): void {
    if (source !== this.source) return;
    this.failed += 1;
    this.show(navigator.onLine ? "reconnecting" : "offline");
    if (source.readyState === EventSource.CLOSED) {
      clearTimeout(this.retry);
      this.retry = window.setTimeout(() => this.connect(), Math.min(30_000, 2_000 * 2 ** this.failed));
    }
    if (this.failed >= PATIENCE && !this.poll) this.ask();
  }

  /** Ask for what happened, and again after a while, until a stream says something. */
  private ask(): void {
    clearTimeout(this.poll);
    this.poll = window.setTimeout(() => this.ask(), POLL);
    if (document.hidden) return;
    const query = new URLSearchParams(this.after ? { after: this.after } : {});
    fetch(`${this.holder.dataset.livePoll}?${query}`, { headers: { Accept: "application/json" } })
      .then(async (response) => {
        if (response.status === 401) {
          location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
          return;
        }
        if (response.status === 400) this.after = "";
        if (!response.ok) throw new Error(String(response.status));
        const answer = (await response.json()) as { cursor: string; at: number; reset: boolean; events: Told[] };
        this.after = answer.cursor;
        this.at = answer.at;
        if (answer.reset) this.take({ topic: "reset", data: {} });
        for (const told of answer.events) this.take(told);
        this.show("polling");
      })
      .catch(() => this.show(navigator.onLine ? "reconnecting" : "offline"));
  }

  private watch(): void {
    if (this.source?.readyState === EventSource.OPEN && Date.now() - this.heardAt > DEAD) this.connect();
  }

  private looked(): void {
    clearTimeout(this.hidden);
    if (document.hidden) this.hidden = window.setTimeout(() => this.disconnect(), HIDDEN);
    else if (!this.source || Date.now() - this.heardAt > DEAD) this.connect();
  }

  private show(state: State): void {
    const { holder } = this;
    const text = holder.querySelector("b")!;
    if (holder.dataset.liveState !== state) {
      holder.dataset.liveState = state;
      text.textContent = words(`live_${state}`);
    }
    if (!this.at) return;
    const time = CLOCK.format(this.at * 1000);
    holder.querySelector("time")!.textContent = time;
    holder.title = `${words(`live_${state}`)} · ${words("live_as_of")} ${time}`;
    const asOf = document.querySelector("[data-as-of]");
    if (asOf) asOf.textContent = time;
  }
}

/** An alarm at the foot of the page; the bell counts it, and what shows this very alarm is read again. */
function alarm(data: Told["data"]): void {
  const level = LEVELS.includes(data.level ?? "") ? data.level! : "";
  const link = data.id ? `/desk/alarms/${data.id}` : "";
  if (data.title) warn(`alarm:${data.id}:${data.act}`, data.title, level, link);
  document.body.dispatchEvent(new CustomEvent("alarm"));
  if (data.id) document.body.dispatchEvent(new CustomEvent(`alarm-${data.id}`));
}

/** A charge of a mixing plant: what shows its batch, its plant or its project is read again. */
function charged({ batch, plant, project }: Told["data"]): void {
  for (const id of [batch, plant, project]) if (id) document.body.dispatchEvent(new CustomEvent(`charge-${id}`));
}
