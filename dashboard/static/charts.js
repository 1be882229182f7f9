// The charts of a monitor: one per location or all locations in one, drawn by uPlot from the series
// that the server made; what pointing, dragging and keys do in them.

import uPlot from "uplot";
import { lines } from "./lines.js";
import { HEIGHT, forgetStyles, options } from "./plot.js";
import { stack } from "./stack.js";
import { refresh } from "./refresh.js";

/**
 * @typedef {import("./plot.js").Panel} Panel
 * @typedef {import("./plot.js").Series} Series
 */

// As the template says it.
const INVITATION = "Point at a chart to read a value.";

export class Charts {
  /** @type {Series | null} */
  #series = null;
  /** @type {Map<string, uPlot>} */
  #plots = new Map();
  /** @type {Panel[]} */
  #panels = [];
  #at = -1;
  #loading = "";

  /** @param {HTMLElement} root the section whose data-charts names the series */
  constructor(root) {
    this.root = root;
    this.readout = document.getElementById("readout");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#resize()).observe(root);
  }

  /** Fetch the series for the current address and draw it. */
  async load() {
    // What a refresh brought is as the server knows it: without what only the series tells.
    if (this.#series) this.#updateLinks();
    const address = new URL(this.root.dataset.charts ?? "", location.href);
    address.search = location.search;
    this.#loading = address.href;
    try {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error(answer.statusText);
      const series = await answer.json();
      // An answer that a newer question overtook is not drawn.
      if (this.#loading !== address.href) return;
      if (!this.#series) this.#say(INVITATION);
      this.#series = series;
      this.#draw();
      this.#updateLinks();
    } catch {
      // What was drawn before stays; the next refresh tries again.
      if (!this.#series) this.#say("What the charts show did not come. It is asked for again soon.");
    }
  }

  /** @param {string} text */
  #say(text) {
    if (this.readout) this.readout.textContent = text;
  }

  #updateLinks() {
    for (const link of this.root.querySelectorAll("a[data-data-link]")) {
      if (link instanceof HTMLAnchorElement) link.search = location.search;
    }
    const words = this.root.querySelector("[data-bucket-words]");
    if (words && this.#series) words.textContent = length(this.#series.bucket_s);
    for (const entry of this.root.querySelectorAll("[data-measure]")) {
      if (entry instanceof HTMLElement) entry.hidden = !this.#has(entry.dataset.measure) && !entry.ariaCurrent;
    }
  }

  /** @param {string | undefined} name a measure */
  #has(name) {
    return this.#series?.locations.some((place) => place[`${name}_us`].some(Boolean)) ?? false;
  }

  #showWhetherEmpty() {
    const isEmpty = !this.#series?.locations.some((place) => place.checks.some(Boolean));
    const empty = document.getElementById("charts-empty");
    if (empty) empty.hidden = !isEmpty;
    const charts = this.root.querySelector(".charts");
    if (charts instanceof HTMLElement) charts.hidden = isEmpty;
    if (this.readout) this.readout.hidden = isEmpty;
  }

  #draw() {
    const series = this.#series;
    if (!series) return;
    forgetStyles();
    this.#showWhetherEmpty();
    this.root.classList.add("drawn");
    this.#panels = this.#makePanels(series);
    this.#makeFrames();
    const ownScale = new URLSearchParams(location.search).get("scale") === "own";
    const peak = Math.max(...this.#panels.map(highest));
    const frames = this.#panels.map((panel) => this.#frame(panel.name));
    // All measured before the first is filled, or the page would be laid out once for each.
    const sizes = frames.map((frame) => ({ width: frame?.clientWidth ?? 0, height: frame?.clientHeight || HEIGHT }));
    for (const [at, panel] of this.#panels.entries()) {
      const frame = frames[at];
      if (!frame) continue;
      this.#plots.get(panel.name)?.destroy();
      frame.replaceChildren();
      const on = { setCursor: (/** @type {uPlot} */ plot) => this.#onCursor(plot, panel), setSelect: this.#zoom.bind(this) };
      const top = ownScale ? highest(panel) : peak;
      this.#plots.set(panel.name, new uPlot(options(panel, series, sizes[at], top, on), panel.data(series), frame));
      this.#prepareSlider(frame, panel);
    }
    this.#point(Math.min(this.#at, series.times.length - 1));
  }

  /** @param {Series} series */
  #makePanels(series) {
    const { compare, compareTitle } = this.root.dataset;
    if (!compare) return series.locations.map((place) => stack(series, place));
    const entries = this.root.querySelectorAll("[data-line]");
    const numbers = new Map([...entries].map((entry) => (
      [entry.getAttribute("data-location") ?? "", Number(entry.getAttribute("data-line"))])));
    return [lines(series, compare, compareTitle ?? "", numbers)];
  }

  /** The view may have gained or lost locations since the server drew the page. */
  #makeFrames() {
    const box = this.root.querySelector(".charts");
    const wanted = new Set(this.#panels.map((panel) => panel.name));
    for (const figure of box?.querySelectorAll("figure") ?? []) {
      const name = figure.dataset.location ?? "";
      if (wanted.has(name)) continue;
      this.#plots.get(name)?.destroy();
      this.#plots.delete(name);
      figure.remove();
    }
    for (const panel of this.#panels) {
      if (this.#frame(panel.name)) continue;
      const figure = document.createElement("figure");
      figure.className = "chart";
      figure.dataset.location = panel.name;
      const caption = document.createElement("figcaption");
      caption.id = `chart-${panel.name}`;
      caption.textContent = panel.title;
      const frame = document.createElement("div");
      frame.className = "frame";
      figure.append(caption, frame);
      box?.append(figure);
    }
  }

  /** @param {string} name @returns {HTMLElement | null} */
  #frame(name) {
    return this.root.querySelector(`figure[data-location="${CSS.escape(name)}"] .frame`);
  }

  /** A drag chose a span: the address names it, and everything follows. @param {uPlot} plot */
  #zoom(plot) {
    if (plot.select.width < 4) return;
    const from = plot.posToVal(plot.select.left, "x");
    const to = plot.posToVal(plot.select.left + plot.select.width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (to - from >= 60) this.#show(from, to);
  }

  /** @param {number} from @param {number} to */
  #show(from, to) {
    const address = new URL(location.href);
    address.searchParams.delete("range");
    address.searchParams.set("from", instant(from));
    address.searchParams.set("to", instant(to));
    this.#go(address);
  }

  /** @param {URL} address */
  #go(address) {
    history.pushState(null, "", address.href.replaceAll("%3A", ":"));
    this.#at = -1;
    refresh();
  }

  /** @param {uPlot} plot @param {Panel} panel */
  #onCursor(plot, panel) {
    const left = plot.cursor.left;
    if (left == null || left < 0 || !this.#series || !plot.over.matches(":hover")) return;
    this.#at = this.#indexAt(plot.posToVal(left, "x"));
    this.#read(panel);
  }

  /** @param {number} seconds */
  #indexAt(seconds) {
    const series = /** @type {Series} */ (this.#series);
    const at = Math.floor((seconds - series.times[0]) / series.bucket_s);
    return Math.min(Math.max(at, 0), series.times.length - 1);
  }

  /** @param {Panel} panel */
  #read(panel) {
    const text = panel.describe(this.#at);
    this.#say(text);
    const frame = this.#frame(panel.name);
    frame?.setAttribute("aria-valuenow", String(this.#at));
    frame?.setAttribute("aria-valuetext", text);
  }

  /** Put every crosshair on a bucket. @param {number} at */
  #point(at) {
    this.#at = at;
    const series = this.#series;
    if (!series || at < 0) return;
    for (const plot of this.#plots.values()) {
      const left = plot.valToPos(series.times[at] + series.bucket_s / 2, "x");
      plot.setCursor({ left, top: 10 }, false);
    }
  }

  /** @param {HTMLElement} frame @param {Panel} panel */
  #prepareSlider(frame, panel) {
    const series = /** @type {Series} */ (this.#series);
    frame.tabIndex = 0;
    frame.setAttribute("role", "slider");
    frame.setAttribute("aria-labelledby", `chart-${panel.name}`);
    frame.setAttribute("aria-describedby", "chart-help");
    frame.setAttribute("aria-valuemin", "0");
    frame.setAttribute("aria-valuemax", String(series.times.length - 1));
    if (!frame.hasAttribute("aria-valuenow")) {
      frame.setAttribute("aria-valuenow", String(series.times.length - 1));
      frame.setAttribute("aria-valuetext", "Arrow keys read values");
    }
    frame.onkeydown = (event) => this.#onKey(event, panel);
    frame.onclick = () => this.#open(panel);
  }

  /** @param {KeyboardEvent} event @param {Panel} panel */
  #onKey(event, panel) {
    const series = /** @type {Series} */ (this.#series);
    const last = series.times.length - 1;
    const hour = Math.max(1, Math.round(3600 / series.bucket_s));
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: -hour, PageDown: hour, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") this.#open(panel);
    else if (event.key === "Escape") this.#reset();
    else if (!panel.isStack && ["ArrowUp", "ArrowDown"].includes(event.key)) this.#choose(panel, event.key === "ArrowUp" ? -1 : 1);
    else if (event.key in steps) {
      const from = this.#at < 0 ? (steps[event.key] < 0 ? last + 1 : -1) : this.#at;
      this.#point(Math.min(Math.max(from + steps[event.key], 0), last));
      this.#read(panel);
    } else return;
    event.preventDefault();
  }

  /** The line above or below in the legend. @param {Panel} panel @param {number} step */
  #choose(panel, step) {
    const series = /** @type {Series} */ (this.#series);
    panel.choose(step);
    const index = series.locations.findIndex((place) => place === panel.chosen());
    this.#plots.get(panel.name)?.setSeries(index + 1, { focus: true });
    if (this.#at < 0) this.#point(series.times.length - 1);
    this.#read(panel);
  }

  #reset() {
    this.#at = -1;
    for (const plot of this.#plots.values()) {
      plot.setCursor({ left: -10, top: -10 }, false);
      plot.setSeries(null, { focus: true });
    }
    this.#say(INVITATION);
    const address = new URL(location.href);
    if (!address.searchParams.has("from")) return;
    address.searchParams.delete("from");
    address.searchParams.delete("to");
    this.#go(address);
  }

  /** The result at the cursor; where a bucket stands for many of them, the bucket. @param {Panel} panel */
  #open(panel) {
    const series = this.#series;
    const place = panel.chosen();
    if (!series || !place || this.#at < 0 || !place.checks[this.#at]) return;
    const slot = place.slot[this.#at];
    if (!slot) {
      this.#show(series.times[this.#at], series.times[this.#at] + series.bucket_s);
      return;
    }
    const results = (this.root.dataset.charts ?? "").replace(/series\.json$/, "r");
    const tz = document.body.dataset.tz === "UTC" ? "?tz=UTC" : "";
    location.assign(`${results}/${slot}/${place.location}${tz}`);
  }

  #resize() {
    for (const [name, plot] of this.#plots) {
      const frame = this.#frame(name);
      const width = frame?.clientWidth ?? 0;
      if (width && width !== plot.width) plot.setSize({ width, height: frame?.clientHeight || HEIGHT });
    }
  }
}

/** The largest value that a panel draws, microseconds. @param {Panel} panel */
function highest(panel) {
  return Math.max(1000, ...panel.values.flatMap((values) => values.map((micros) => micros ?? 0)));
}

/** @param {number} seconds */
function instant(seconds) {
  return new Date(Math.round(seconds) * 1000).toISOString().replace(".000", "");
}

/** @param {number} seconds */
function length(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${seconds / 60} min`;
  if (seconds < 2 * 86400) return `${seconds / 3600} h`;
  return `${seconds / 86400} days`;
}
