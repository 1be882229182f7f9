// Charts that the server drew whole, such as bands and heat maps: read a cell at a time, by keys or
// by pointing. A cell's words are its title.

import { rewriteTitles } from "./times.js";

// As the template says it before anything was pointed at.
const INVITATION = "Point at it to read a value.";

// Where each chart was read last, so that a refresh does not lose the place.
/** @type {Map<string, number>} */
const places = new Map();

/** Make every such chart readable, also after it was drawn anew. */
export function prepareReading() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("mouseover", onPoint);
  window.addEventListener("vantage:refreshed", goOn);
}

function goOn() {
  for (const reader of document.querySelectorAll("[data-reader]")) {
    const at = places.get(reader.getAttribute("data-reader") ?? "");
    if (at !== undefined && reader === document.activeElement) read(reader, at);
  }
}

/** @param {Element} reader */
function cells(reader) {
  return [...(reader.parentElement?.querySelectorAll("[data-cell]") ?? [])];
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const reader = event.target instanceof Element ? event.target.closest("[data-reader]") : null;
  if (!reader || event.ctrlKey || event.metaKey || event.altKey) return;
  const last = cells(reader).length - 1;
  const from = places.get(reader.getAttribute("data-reader") ?? "");
  const leap = Math.max(1, Math.round(last / 8));
  /** @type {Record<string, number>} */
  const steps = {
    ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: -leap, PageDown: leap, Home: -Infinity, End: Infinity,
  };
  if (event.key === "Enter") open(reader, from);
  else if (event.key === "Escape") forget(reader);
  else if (event.key in steps) {
    const begin = from ?? (steps[event.key] < 0 ? last + 1 : -1);
    read(reader, Math.min(Math.max(begin + steps[event.key], 0), last));
  } else return;
  event.preventDefault();
}

/** @param {MouseEvent} event */
function onPoint(event) {
  const cell = event.target instanceof Element ? event.target.closest("[data-cell]") : null;
  if (cell) say(cell, words(cell));
}

/** @param {Element} reader @param {number} at */
function read(reader, at) {
  const all = cells(reader);
  const cell = all[Math.min(at, all.length - 1)];
  if (!cell) return;
  places.set(reader.getAttribute("data-reader") ?? "", at);
  for (const other of all) other.classList.toggle("pointed", other === cell);
  reader.setAttribute("aria-valuenow", String(at));
  reader.setAttribute("aria-valuetext", words(cell));
  say(cell, words(cell));
}

/** @param {Element} reader */
function forget(reader) {
  places.delete(reader.getAttribute("data-reader") ?? "");
  for (const cell of cells(reader)) {
    cell.classList.remove("pointed");
    say(cell, INVITATION);
  }
}

/** @param {Element} reader @param {number | undefined} at */
function open(reader, at) {
  const link = at === undefined ? null : cells(reader)[at]?.getAttribute("href");
  if (link) location.assign(link);
}

/** @param {Element} cell */
function words(cell) {
  // Who is quick reads it before all of the page's were rewritten.
  rewriteTitles(cell);
  const row = cell.closest("[data-row]")?.getAttribute("data-row");
  return `${row ? `${row}, ` : ""}${cell.querySelector("title")?.textContent ?? ""}`;
}

/** @param {Element} cell @param {string} text */
function say(cell, text) {
  const readout = cell.closest("section")?.querySelector("[data-readout]");
  if (readout) readout.textContent = text;
}
