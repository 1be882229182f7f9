// Brings the page up to date without a reload: the server draws it anew, and in the regions that
// differ only what differs is changed. So what somebody points at, has opened, selected, scrolled or
// moved the focus to stays as it is.

import { Idiomorph } from "idiomorph";
import { rewriteTimes, rewriteTitles } from "./times.js";

// At most one look in a while: a page that is costly to draw is drawn less often.
const REST_MS = 500;
const REST_FACTOR = 3;
const REST_MAX_MS = 10_000;
const REST_FAILED_MS = 2_000;

/** @type {AbortController | null} */
let running = null;
let isWanted = false;
let isStale = false;
let restsUntil = 0;

/** Draw the page for the current address anew, at once: somebody waits for it, so what is being
 * drawn for an older address is given up. */
export async function refresh() {
  if (running) {
    isWanted = true;
    running.abort();
    return;
  }
  running = new AbortController();
  isWanted = isStale = false;
  let hasFailed = false;
  const began = performance.now();
  try {
    const headers = { "X-Vantage-Refresh": "yes", Accept: "text/html" };
    const answer = await fetch(location.href, { headers, signal: running.signal });
    if (answer.redirected) location.reload();
    else if (answer.ok) replaceRegions(await answer.text());
    else hasFailed = answer.status >= 500;
  } catch {
    // The network is away, unless it was given up for a newer one.
    hasFailed = !isWanted;
  } finally {
    running = null;
    const took = performance.now() - began;
    const least = hasFailed ? REST_FAILED_MS : REST_MS;
    restsUntil = performance.now() + Math.min(REST_MAX_MS, Math.max(least, REST_FACTOR * took));
  }
  if (isWanted) {
    refresh();
    return;
  }
  window.dispatchEvent(new CustomEvent("vantage:refreshed"));
  // What happened is still to be shown: no other message may come for long.
  if (isStale || hasFailed) refreshSoon();
}

let timer = 0;

/** Refresh as soon as the page has rested since the last time. Meanwhile, calls become one more. */
export function refreshSoon() {
  clearTimeout(timer);
  timer = window.setTimeout(() => {
    if (running) isStale = true;
    else refresh();
  }, Math.max(0, restsUntil - performance.now()));
}

/** @param {string} text */
function replaceRegions(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  document.title = fresh.title;
  rewriteTimes(fresh);
  rewriteTitles(fresh);
  for (const region of document.querySelectorAll("[data-region]")) {
    const next = fresh.getElementById(region.id);
    if (next && !next.isEqualNode(region)) Idiomorph.morph(region, next, { callbacks: CALLBACKS });
  }
}

const CALLBACKS = {
  /** What somebody is filling in is left alone. @param {Node} node */
  beforeNodeMorphed: (node) => !(node instanceof HTMLDetailsElement && node.open && node.querySelector("form")),

  /** What is open and what was read are the reader's own. @param {string} name @param {Element} element */
  beforeAttributeUpdated: (name, element) =>
    !(name === "open" && element instanceof HTMLDetailsElement)
    && !(element.matches("[data-reader]") && ["aria-valuenow", "aria-valuetext"].includes(name)),

  /** A result that came is shown as one. @param {Node} node */
  afterNodeAdded(node) {
    if (node instanceof Element && node.matches("[data-slot]")) node.classList.add("fresh");
  },
};
