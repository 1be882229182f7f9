// What a monitor's page runs besides: its charts. It comes after app.js, without which they have no place.

import { Charts } from "./charts.js";

const root = document.querySelector("[data-charts]");
if (root instanceof HTMLElement) {
  const charts = new Charts(root);
  window.addEventListener("vantage:refreshed", () => charts.load());
}
