// Brings the page up to date without a reload: the server draws it anew, and the regions that
// differ are put in place. Focus stays where it was.

import { rewriteTimes, rewriteTitles } from "./times.js";

// At most one look in a while: a page that is costly to draw is drawn less often.
const REST_MS = 500;
const REST_FACTOR = 6;
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
    if (!next || next.innerHTML === region.innerHTML) continue;
    if (region.querySelector("details[open]")) continue;
    const path = focusPath(region);
    const scrolls = [...region.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    const known = slots(region);
    region.className = next.className;
    region.replaceChildren(...next.childNodes);
    region.querySelectorAll(".scroll").forEach((box, at) => { box.scrollLeft = scrolls[at] ?? 0; });
    restoreFocus(region, path);
    for (const row of region.querySelectorAll("[data-slot]")) {
      if (known.size && !known.has(row.getAttribute("data-slot"))) row.classList.add("fresh");
    }
  }
}

/** @param {Element} region */
function slots(region) {
  return new Set([...region.querySelectorAll("[data-slot]")].map((row) => row.getAttribute("data-slot")));
}

const FOCUSABLE = "a[href], button, input, summary, [tabindex]";

/** Where the focus is: its address if it is a link, and its place.
 * @param {Element} region */
function focusPath(region) {
  const active = document.activeElement;
  if (!active || !region.contains(active)) return null;
  return { href: active.getAttribute("href"), at: [...region.querySelectorAll(FOCUSABLE)].indexOf(active) };
}

/** @param {Element} region @param {ReturnType<typeof focusPath>} path */
function restoreFocus(region, path) {
  if (!path) return;
  const all = [...region.querySelectorAll(FOCUSABLE)];
  const same = path.href ? all.find((element) => element.getAttribute("href") === path.href) : null;
  const target = same ?? all[path.at];
  if (target instanceof HTMLElement) target.focus({ preventScroll: true });
}
