// What every page runs. Each piece keeps to itself; a page without it stays readable.

import { rewriteTimes } from "./times.js";
import { follow } from "./live.js";
import { refresh } from "./refresh.js";
import { prepareForms } from "./forms.js";
import { prepareReading } from "./reading.js";

document.documentElement.classList.add("scripted");
rewriteTimes(document);
prepareForms();
prepareReading();

const charts = document.querySelector("[data-charts]");
if (charts instanceof HTMLElement) {
  const { Charts } = await import("./charts.js");
  const drawn = new Charts(charts);
  window.addEventListener("vantage:refreshed", () => drawn.load());
}

window.addEventListener("popstate", () => refresh());
follow();
