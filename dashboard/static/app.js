// What every page runs. Each piece keeps to itself; a page without it stays readable.

import { rewriteTimes, rewriteTitles } from "./times.js";
import { follow } from "./live.js";
import { refresh } from "./refresh.js";
import { prepareForms } from "./forms.js";
import { prepareReading } from "./reading.js";

document.documentElement.classList.add("scripted");
rewriteTimes(document);
prepareForms();
prepareReading();

window.addEventListener("popstate", () => refresh());
follow();
// Where the browser knows nothing of idleness, after what it has to do now.
("requestIdleCallback" in window ? requestIdleCallback : setTimeout)(() => rewriteTitles(document));
