// The desk's entry: style sheets, htmx, and what every page has; map and charts load where the page shows them.
import "@tabler/core/dist/css/tabler.min.css";
import "@fontsource/noto-sans/latin-400.css";
import "@fontsource/noto-sans/latin-500.css";
import "@fontsource/noto-sans/latin-600.css";
import "@fontsource/noto-sans/latin-700.css";
import "./css/tokens.css";
import "./css/shell.css";
import "./css/list.css";
import "./css/map.css";
import "./css/panel.css";
import "./css/pages.css";
import "./css/notices.css";
import "./css/surfaces.css";
import "./css/alarms.css";
import "./css/track.css";
import "./css/telemetry.css";
import "./css/feeds.css";
import "./css/governing.css";
import "./css/credit.css";
import "./css/reports.css";
import "./css/print.css";
import "./css/statistics.css";
import "./css/process.css";
import "./css/weather.css";
import "./css/patrol.css";
import "./css/charts.css";
import "./css/system.css";
import "./css/production.css";
import "./css/narrow.css";
import htmx from "htmx.org";
import { startMenus } from "./desk/menus";
import { startFind } from "./desk/find";
import { startFilterForms, startPreferences } from "./desk/preferences";
import { startToasts } from "./desk/toasts";
import { fillCounts } from "./desk/counts";
import { startChoosing, startPushing } from "./desk/choosing";
import { startReferences } from "./desk/references";
import { startLive } from "./desk/live";
import { startNotices } from "./desk/notices";
import { startStacks } from "./desk/stacks";
import { startAgain } from "./desk/again";
import { startTabs } from "./desk/tabs";

startToasts();
startMenus();
startFind();
startPreferences();
startReferences();
startFilterForms();
startNotices();
startStacks();
startLive();
htmx.process(document.body);
startTabs();
startAgain();

const workspace = document.querySelector<HTMLElement>("[data-workspace]");
if (workspace) {
  void import("./desk/workspace").then(({ Workspace }) => Workspace.start(workspace));
} else if (document.querySelector("[data-count]")) {
  void fillCounts();
}
if (document.querySelector("[data-chart]")) void import("./desk/charts").then(({ draw }) => draw());
if (document.querySelector("[data-spot]")) void import("./map/spot").then(({ show }) => show());
startChoosing();
startPushing();
function drawMeasured(): void {
  if (document.querySelector("[data-curve]")) void import("./desk/curves").then(({ draw }) => draw());
  if (document.querySelector("[data-logs]")) void import("./desk/logs").then(({ draw }) => draw());
  if (document.querySelector("[data-rose]")) void import("./desk/roses").then(({ draw }) => draw());
  drawTrack();
}
function drawTrack(): void {
  if (document.querySelector("[data-track]")) void import("./desk/track").then(({ startTrack }) => startTrack());
}
drawMeasured();
document.body.addEventListener("htmx:afterSwap", drawMeasured);
if (document.querySelector("[data-scatter]")) void import("./desk/scatter").then(({ draw }) => draw());
const air = document.querySelector<HTMLElement>("[data-air]");
if (air) void import("./map/air").then(({ startAir }) => startAir(air));
const trends = document.querySelector<HTMLElement>("[data-trends]");
if (trends) void import("./desk/trends").then(({ startTrends }) => startTrends(trends));
const weather = document.querySelector<HTMLElement>("[data-weather]");
if (weather) void import("./desk/weather").then(({ startWeather }) => startWeather(weather));
const pollution = document.querySelector<HTMLElement>("[data-pollution]");
if (pollution) void import("./desk/pollution").then(({ startPollution }) => startPollution(pollution));
const patrol = document.querySelector<HTMLElement>("[data-patrol]");
if (patrol) void import("./desk/patrol").then(({ startPatrol }) => startPatrol(patrol));
document.body.addEventListener("map:ready", drawTrack);
if (document.querySelector("[data-form]")) void import("./desk/form").then(({ startForm }) => startForm());
if (document.querySelector("[data-stage], [data-thumb]")) void import("./desk/products/start").then(({ startProducts }) => startProducts());
