// The charts of a monitor: one per location or all locations in one, from the series that the server
// made; what pointing, dragging and keys do in them.

import { Chart } from "./chart.js";
import { lines } from "./lines.js";
import { forgetStyles } from "./plot.js";
import { stack } from "./stack.js";
import { refresh } from "./refresh.js";
import { instant } from "./times.js";

/**
 * @typedef {import("./plot.js").Panel} Panel
 * @typedef {import("./plot.js").Series} Series
 */

// As the template says it.
const INVITATION = "Point at a chart to read a value.";

export class Charts {
  /** @type {Series | null} */
  #series = null;
  /** @type {Map<string, Chart>} */
  #charts = new Map();
  #at = -1;
  #loading = "";

  /** @param {HTMLElement} root the section whose data-charts names the series */
  constructor(root) {
    this.root = root;
    this.readout = document.getElementById("readout");
    // Paper has its own colours and width.
    for (const media of ["screen and (prefers-color-scheme: dark)", "print"]) {
      matchMedia(media).addEventListener("change", () => this.#drawAnew());
    }
    new ResizeObserver(() => this.#charts.forEach((chart) => chart.resize())).observe(root);
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
      const time = this.#series?.times[this.#at];
      this.#series = series;
      this.#at = time === undefined ? -1 : series.times.indexOf(time);
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
    this.#showWhetherEmpty();
    this.root.classList.add("drawn");
    const panels = this.#makePanels(series);
    this.#makeFrames(panels);
    const ownScale = new URLSearchParams(location.search).get("scale") === "own";
    const peak = Math.max(...panels.map(highest));
    const charts = panels.map((panel) => this.#chart(panel, series));
    const sizes = charts.map((chart) => chart.measure());
    for (const [at, panel] of panels.entries()) {
      charts[at].show(panel, series, ownScale ? highest(panel) : peak, sizes[at]);
      this.#prepareSlider(charts[at]);
    }
    if (!this.root.querySelector(".u-over:hover")) this.#point(this.#at);
  }

  /** In other colours, or another size. */
  #drawAnew() {
    forgetStyles();
    for (const chart of this.#charts.values()) chart.destroy();
    this.#draw();
  }

  /** @param {Panel} panel @param {Series} series */
  #chart(panel, series) {
    const known = this.#charts.get(panel.name);
    if (known) return known;
    const frame = /** @type {HTMLElement} */ (this.root.querySelector(
      `figure[data-location="${CSS.escape(panel.name)}"] .frame`));
    const chart = new Chart(frame, panel, series, { setCursor: this.#onCursor.bind(this), setSelect: this.#zoom.bind(this) });
    this.#charts.set(panel.name, chart);
    return chart;
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

  /** The view may have gained or lost locations since the server drew the page. @param {Panel[]} panels */
  #makeFrames(panels) {
    const box = this.root.querySelector(".charts");
    const wanted = new Set(panels.map((panel) => panel.name));
    const found = new Set();
    for (const figure of box?.querySelectorAll("figure") ?? []) {
      const name = figure.dataset.location ?? "";
      found.add(name);
      if (wanted.has(name)) continue;
      this.#charts.get(name)?.destroy();
      this.#charts.delete(name);
      figure.remove();
    }
    for (const panel of panels) {
      if (found.has(panel.name)) continue;
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

  /** A drag chose a span: the address names it, and everything follows. @param {Chart} chart */
  #zoom({ plot }) {
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

  /** @param {Chart} chart */
  #onCursor(chart) {
    const { left } = chart.plot.cursor;
    if (left == null || left < 0 || !this.#series || !chart.plot.over.matches(":hover")) return;
    this.#at = this.#indexAt(chart.plot.posToVal(left, "x"));
    this.#read(chart);
  }

  /** @param {number} seconds */
  #indexAt(seconds) {
    const series = /** @type {Series} */ (this.#series);
    const at = Math.floor((seconds - series.times[0]) / series.bucket_s);
    return Math.min(Math.max(at, 0), series.times.length - 1);
  }

  /** @param {Chart} chart */
  #read({ panel, frame }) {
    const text = panel.describe(this.#at);
    this.#say(text);
    frame.setAttribute("aria-valuenow", String(this.#at));
    frame.setAttribute("aria-valuetext", text);
  }

  /** Put every crosshair on a bucket. @param {number} at */
  #point(at) {
    this.#at = at;
    const series = this.#series;
    if (!series || at < 0) return;
    for (const { plot } of this.#charts.values()) {
      const left = plot.valToPos(series.times[at] + series.bucket_s / 2, "x");
      plot.setCursor({ left, top: 10 }, false);
    }
  }

  /** @param {Chart} chart */
  #prepareSlider(chart) {
    const { frame, panel, series } = chart;
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
    frame.onkeydown = (event) => this.#onKey(event, chart);
    frame.onclick = () => this.#open(chart.panel);
  }

  /** @param {KeyboardEvent} event @param {Chart} chart */
  #onKey(event, chart) {
    const { panel, series } = chart;
    const last = series.times.length - 1;
    const hour = Math.max(1, Math.round(3600 / series.bucket_s));
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: -hour, PageDown: hour, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") this.#open(panel);
    else if (event.key === "Escape") this.#reset();
    else if (!panel.isStack && ["ArrowUp", "ArrowDown"].includes(event.key)) this.#choose(chart, event.key === "ArrowUp" ? -1 : 1);
    else if (event.key in steps) {
      const from = this.#at < 0 ? (steps[event.key] < 0 ? last + 1 : -1) : this.#at;
      this.#point(Math.min(Math.max(from + steps[event.key], 0), last));
      this.#read(chart);
    } else return;
    event.preventDefault();
  }

  /** The line above or below in the legend. @param {Chart} chart @param {number} step */
  #choose(chart, step) {
    const { panel, plot, series } = chart;
    panel.choose(step);
    const index = series.locations.findIndex((place) => place === panel.chosen());
    plot.setSeries(index + 1, { focus: true });
    if (this.#at < 0) this.#point(series.times.length - 1);
    this.#read(chart);
  }

  #reset() {
    this.#at = -1;
    for (const { plot } of this.#charts.values()) {
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
    const begin = series.times[this.#at];
    const micros = place.slot_us[this.#at];
    if (micros === null) {
      this.#show(begin, begin + series.bucket_s);
      return;
    }
    const results = (this.root.dataset.charts ?? "").replace(/series\.json$/, "r");
    const tz = document.body.dataset.tz === "UTC" ? "?tz=UTC" : "";
    location.assign(`${results}/${slotName(begin, micros)}/${place.location}${tz}`);
  }
}

/**
 * A slot as it stands in an address: exact to the microsecond, which a Date is not.
 * @param {number} begin of its bucket, seconds
 * @param {number} micros from there on
 */
function slotName(begin, micros) {
  const at = begin * 1e6 + micros;
  const whole = new Date(Math.floor(at / 1000)).toISOString().replace("Z", "");
  return `${whole}${String(at % 1000).padStart(3, "0")}Z`;
}

/** The largest value that a panel draws, microseconds. @param {Panel} panel */
function highest(panel) {
  return Math.max(1000, ...panel.values.flatMap((values) => values.map((micros) => micros ?? 0)));
}

/** @param {number} seconds */
function length(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${seconds / 60} min`;
  if (seconds < 2 * 86400) return `${seconds / 3600} h`;
  return `${seconds / 86400} days`;
}
