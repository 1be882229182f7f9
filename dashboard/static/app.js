// What every page runs. Each piece keeps to itself; a page without it stays readable.

import { rewriteTimes, rewriteTitles } from "./times.js";
import { follow } from "./live.js";
import { refresh } from "./refresh.js";
import { prepareForms } from "./forms.js";
import { prepareReading } from "./reading.js";

rewriteTimes(document);
prepareForms();
prepareReading();

window.addEventListener("popstate", () => refresh());
follow();
later(() => rewriteTitles(document));

/** Do what can wait until the page is there. @param {() => void} work */
export function later(work) {
  // Where the browser knows nothing of idleness, after what it has to do now.
  if ("requestIdleCallback" in window) requestIdleCallback(work);
  else setTimeout(work);
}
