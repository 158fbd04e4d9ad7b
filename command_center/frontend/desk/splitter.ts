// The bar between list and map: drag it, or use the arrow keys; the width is kept.
import { keep } from "./cookies";

const NARROWEST = 320;

/** Set up the bar of a workspace, where it has one. */
export function startSplitter(root: HTMLElement): void {
  const bar = root.querySelector<HTMLElement>("[data-splitter]");
  if (!bar) return;
  const set = (width: number): void => {
    const most = root.offsetWidth - NARROWEST;
    root.style.setProperty("--list", `${Math.round(Math.max(NARROWEST, Math.min(width, most)))}px`);
  };
  const done = (): void => keep("split", root.style.getPropertyValue("--list"));
  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    const left = root.getBoundingClientRect().left;
    const drag = (move: PointerEvent): void => set(move.clientX - left);
    bar.addEventListener("pointermove", drag);
    bar.addEventListener("pointerup", () => {
      bar.removeEventListener("pointermove", drag);
      done();
    }, { once: true });
  });
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -24, ArrowRight: 24 }[event.key];
    if (step === undefined) return;
    set(bar.getBoundingClientRect().left - root.getBoundingClientRect().left + step);
    done();
  });
}
