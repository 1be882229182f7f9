// Charts that the server drew whole, such as bands and heat maps: read a cell at a time, by keys or
// by pointing. What the cells say stands in data-says, a bar between two of them; they are equally
// wide, and the first begins at data-begin. The link around a chart leads to the cell one reads.

import { format, instant } from "./times.js";

// As the template says it before anything was pointed at.
const INVITATION = "Point at it to read a value.";

// Where each chart was read last by keys, so that a refresh does not lose the place.
/** @type {Map<string, number>} */
const places = new Map();

// What the pointer is on.
/** @type {{chart: HTMLElement, at: number} | null} */
let pointed = null;

/** Make every such chart readable, also after it was drawn anew. */
export function prepareReading() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("mousemove", onPoint);
  window.addEventListener("vantage:refreshed", goOn);
}

function goOn() {
  if (pointed?.chart.isConnected) show(pointed.chart, pointed.at);
  const reader = document.activeElement?.closest("[data-reader]");
  const at = reader ? places.get(name(reader)) : undefined;
  if (reader && at !== undefined) read(reader, at);
}

/** @param {Element} reader */
function name(reader) {
  return reader.getAttribute("data-reader") ?? "";
}

/** What each cell says; nothing where nothing was due. @param {Element} chart */
function cells(chart) {
  return (chart.getAttribute("data-says") ?? "").split("|");
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const reader = event.target instanceof Element ? event.target.closest("[data-reader]") : null;
  if (!reader || event.ctrlKey || event.metaKey || event.altKey) return;
  const last = Number(reader.getAttribute("aria-valuemax"));
  const from = places.get(name(reader));
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
  const chart = event.target instanceof Element ? event.target.closest("[data-says]") : null;
  if (pointed && pointed.chart !== chart) {
    pointed.chart.classList.remove("pointed");
    pointed = null;
  }
  if (!(chart instanceof HTMLElement)) return;
  const box = chart.getBoundingClientRect();
  const all = cells(chart);
  const at = Math.floor((event.clientX - box.left) / box.width * all.length);
  if (!all[at] || (pointed?.at === at && pointed.chart === chart)) return;
  pointed = { chart, at };
  chart.title = show(chart, at);
}

/** @param {Element} reader @param {number} place among the cells that say something */
function read(reader, place) {
  const chart = reader.parentElement;
  if (!chart) return;
  const those = cells(chart).flatMap((says, at) => (says ? [at] : []));
  const at = those[Math.min(place, those.length - 1)];
  if (at === undefined) return;
  places.set(name(reader), place);
  reader.setAttribute("aria-valuenow", String(place));
  reader.setAttribute("aria-valuetext", show(chart, at));
}

/** Mark a cell, lead to it and say it. @param {HTMLElement} chart @param {number} at */
function show(chart, at) {
  const all = cells(chart);
  const clock = chart.closest("[data-begin]");
  const step = Number(clock?.getAttribute("data-step"));
  const begin = Number(clock?.getAttribute("data-begin")) + at * step;
  chart.style.setProperty("--at", String(at));
  chart.style.setProperty("--of", String(all.length));
  chart.classList.add("pointed");
  lead(chart, begin, step);
  const row = chart.getAttribute("data-row");
  const words = `${row ? `${row}, ` : ""}${format(new Date(begin * 1000), "short", true)}: ${all[at]}`;
  const readout = chart.closest("section")?.querySelector("[data-readout]");
  if (readout) readout.textContent = words;
  return words;
}

/** @param {Element} chart @param {number} begin @param {number} step */
function lead(chart, begin, step) {
  const link = chart.querySelector("a");
  if (!link) return;
  const address = new URL(link.href);
  for (const name of ["range", "from", "to"]) address.searchParams.delete(name);
  const others = address.searchParams.toString();
  address.search = `from=${instant(begin)}&to=${instant(begin + step)}&${others}`;
  link.href = address.href;
}

/** @param {Element} reader */
function forget(reader) {
  places.delete(name(reader));
  reader.parentElement?.classList.remove("pointed");
  const readout = reader.closest("section")?.querySelector("[data-readout]");
  if (readout) readout.textContent = INVITATION;
}

/** @param {Element} reader @param {number | undefined} place */
function open(reader, place) {
  const link = reader.parentElement?.querySelector("a");
  if (link && place !== undefined) location.assign(link.href);
}
