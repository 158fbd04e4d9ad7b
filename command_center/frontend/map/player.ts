// The time player: a bar of hours, hatched where there is nothing to show, with play, step, speed and a slider.
const ZONE = "Asia/Shanghai";
const WHOLE = new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, dateStyle: "short", timeStyle: "short" });
const HOUR = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, hour: "2-digit", hourCycle: "h23" });
const MARKED = 6;

/** An hour as the server tells it; `why` is empty where there is a picture. */
export interface Hour {
  at: string;
  run: string | null;
  why: string;
  state: string;
  revision?: number;
  used?: number;
  stations?: number;
  rmse?: number | null;
  high?: number | null;
}

/** One player on the page; `shown` hears the hour to show and the one to fetch ahead. */
export class Player {
  private readonly root = document.querySelector<HTMLElement>("[data-player]")!;
  private hours: Hour[] = [];
  private place = 0;
  private timer = 0;

  constructor(private readonly shown: (hour: Hour, next: Hour | undefined) => void) {
    this.part<HTMLInputElement>("at").addEventListener("input", (event) => {
      this.rest();
      this.go(Number((event.target as HTMLInputElement).value));
    });
    this.root.querySelectorAll<HTMLElement>("[data-player-step]").forEach((button) => {
      button.addEventListener("click", () => {
        this.rest();
        this.go(this.place + Number(button.dataset.playerStep));
      });
    });
    this.part("go").addEventListener("click", () => (this.timer ? this.rest() : this.play()));
    this.part("speed").addEventListener("change", () => this.timer && this.play());
  }

  /** The hour that shows. */
  get hour(): Hour | undefined {
    return this.hours[this.place];
  }

  /** Show these hours, from the one that begins at `at`, else from the last with a picture. */
  open(hours: Hour[], at = ""): void {
    this.hours = hours;
    this.root.hidden = false;
    this.root.closest(".stage")?.classList.add("playing");
    const asked = at ? hours.findIndex((hour) => hour.at.slice(0, 13) === at.slice(0, 13)) : -1;
    const last = hours.map((hour) => !hour.why).lastIndexOf(true);
    this.part("hours").replaceChildren(
      ...hours.map((hour) => Object.assign(document.createElement("i"), { className: hour.why ? "bare" : "full", title: `${WHOLE.format(new Date(hour.at))} ${hour.why}` })),
    );
    this.part("marks").replaceChildren(...hours.flatMap((hour, place) => mark(hour, place, hours.length)));
    this.part<HTMLInputElement>("at").max = String(hours.length - 1);
    this.go(asked >= 0 ? asked : last >= 0 ? last : hours.length - 1);
  }

  /** Hide the player. */
  close(): void {
    this.rest();
    this.hours = [];
    this.root.hidden = true;
    this.root.closest(".stage")?.classList.remove("playing");
  }

  private part<T extends HTMLElement = HTMLElement>(name: string): T {
    return this.root.querySelector<T>(`[data-player-${name}]`)!;
  }

  private go(place: number): void {
    this.place = Math.max(0, Math.min(this.hours.length - 1, place));
    const { hour } = this;
    if (!hour) return;
    const slider = this.part<HTMLInputElement>("at");
    slider.value = String(this.place);
    const told = WHOLE.format(new Date(hour.at));
    slider.setAttribute("aria-valuetext", `${told} ${hour.why}`);
    this.part("time").textContent = told;
    this.part("why").textContent = hour.why;
    this.part("why").title = hour.why;
    [...this.part("hours").children].forEach((bar, number) => bar.classList.toggle("here", number === this.place));
    this.shown(hour, this.hours[this.place + 1]);
  }

  private play(): void {
    window.clearInterval(this.timer);
    if (this.place >= this.hours.length - 1) this.go(0);
    this.timer = window.setInterval(() => {
      if (this.place >= this.hours.length - 1) this.rest();
      else this.go(this.place + 1);
    }, Number(this.part<HTMLSelectElement>("speed").value));
    this.part("go").setAttribute("aria-pressed", "true");
  }

  private rest(): void {
    window.clearInterval(this.timer);
    this.timer = 0;
    this.part("go").setAttribute("aria-pressed", "false");
  }
}

function mark(hour: Hour, place: number, count: number): HTMLElement[] {
  const moment = new Date(hour.at);
  const number = Number(HOUR.format(moment));
  if (number % MARKED) return [];
  const label = Object.assign(document.createElement("span"), { textContent: number ? `${number}:00` : WHOLE.format(moment).slice(5, 10) });
  label.style.left = `${((place + 0.5) / count) * 100}%`;
  if (!number) label.className = "day";
  return [label];
}
