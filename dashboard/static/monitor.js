// What a monitor's page runs after what every page does: its charts.

import { later } from "./app.js";
import { Charts } from "./charts.js";

const root = document.querySelector("[data-charts]");
if (root instanceof HTMLElement) {
  const charts = new Charts(root);
  window.addEventListener("vantage:refreshed", () => charts.load());
  await charts.load();
  later(() => document.querySelector(".later")?.classList.remove("later"));
}
