// The phase charts of a monitor: one per location, drawn by uPlot from the series the server made.

import uPlot from "./vendor/uPlot.esm.js";
import { format, zone } from "./times.js";
import { refresh } from "./refresh.js";

/**
 * @typedef {object} Place one location's columns, a value per bucket; see dashboard/series.py
 * @property {string} location
 * @property {string} title
 * @property {(number | null)[]} checks
 * @property {number[]} failed
 * @property {(number | null)[]} total_us
 * @property {(string | null)[]} slot
 * @typedef {Place & Record<string, (number | null)[]>} Columns
 * @typedef {{from_s: number, to_s: number, bucket_s: number, times: number[], locations: Columns[]}} Series
 */

const PHASES = ["redirect", "dns", "connect", "tls", "wait", "receive", "resources"];
/** @type {Record<string, string>} */
const WORDS = { redirect: "redirects", dns: "DNS", connect: "connect", tls: "TLS", wait: "wait", receive: "transfer", resources: "resources" };
const HEIGHT = 184;
const FAIL_HEIGHT = 5;
const SYNC = "charts";
const NUMBER = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

/** @param {string} name */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** @param {number | null | undefined} micros */
function ms(micros) {
  if (micros == null) return "–";
  if (micros < 9950) return `${(micros / 1000).toFixed(1)} ms`;
  return micros < 9_999_500 ? `${NUMBER.format(micros / 1000)} ms` : `${(micros / 1e6).toFixed(1)} s`;
}

export class Charts {
  /** @type {Series | null} */
  #series = null;
  /** @type {Map<string, uPlot>} */
  #plots = new Map();
  #at = -1;
  #loading = "";

  /** @param {HTMLElement} root the section whose data-charts names the series */
  constructor(root) {
    this.root = root;
    this.readout = document.getElementById("readout");
    this.load();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#resize()).observe(root);
  }

  /** Fetch the series for the current address and draw it. */
  async load() {
    const address = new URL(this.root.dataset.charts ?? "", location.href);
    address.search = location.search;
    address.searchParams.set("points", String(this.#points()));
    this.#loading = address.href;
    try {
      const answer = await fetch(address);
      if (!answer.ok) return;
      const series = await answer.json();
      // An answer that a newer question overtook is not drawn.
      if (this.#loading !== address.href) return;
      this.#series = series;
      this.#draw();
      this.#updateLinks();
    } catch {
      // The still pictures of the server stay; the next refresh tries again.
    }
  }

  /** About one point per two pixels of the narrowest chart. */
  #points() {
    const frame = this.root.querySelector(".frame");
    const width = frame ? frame.clientWidth - 64 : 400;
    return Math.min(1500, Math.max(60, Math.round(width / 2)));
  }

  #updateLinks() {
    for (const link of this.root.querySelectorAll("a[data-data-link]")) {
      if (link instanceof HTMLAnchorElement) link.search = location.search;
    }
    const words = this.root.querySelector("[data-bucket-words]");
    if (words && this.#series) words.textContent = length(this.#series.bucket_s);
    for (const entry of this.root.querySelectorAll("[data-phase]")) {
      if (entry instanceof HTMLElement) entry.hidden = !this.#hasPhase(entry.dataset.phase);
    }
  }

  /** @param {string | undefined} name */
  #hasPhase(name) {
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
    this.#makeFrames(series);
    const ownScale = new URLSearchParams(location.search).get("scale") === "own";
    const peak = Math.max(1000, ...series.locations.flatMap((place) => place.total_us.map((total) => total ?? 0)));
    for (const place of series.locations) {
      const frame = this.#frame(place.location);
      if (!frame) continue;
      this.#plots.get(place.location)?.destroy();
      frame.replaceChildren();
      const top = ownScale ? Math.max(1000, ...place.total_us.map((total) => total ?? 0)) : peak;
      const plot = new uPlot(this.#options(place, series, frame, top), stack(series, place), frame);
      this.#plots.set(place.location, plot);
      this.#prepareSlider(frame, place);
    }
    this.#point(Math.min(this.#at, series.times.length - 1));
  }

  /** The view may have gained or lost locations since the server drew the page. @param {Series} series */
  #makeFrames(series) {
    const box = this.root.querySelector(".charts");
    const wanted = new Set(series.locations.map((place) => place.location));
    for (const figure of box?.querySelectorAll("figure") ?? []) {
      if (!wanted.has(figure.dataset.location ?? "")) {
        this.#plots.get(figure.dataset.location ?? "")?.destroy();
        this.#plots.delete(figure.dataset.location ?? "");
        figure.remove();
      }
    }
    for (const place of series.locations) {
      if (this.#frame(place.location)) continue;
      const figure = document.createElement("figure");
      figure.className = "chart";
      figure.dataset.location = place.location;
      const caption = document.createElement("figcaption");
      caption.id = `chart-${place.location}`;
      caption.textContent = place.title;
      const frame = document.createElement("div");
      frame.className = "frame";
      figure.append(caption, frame);
      box?.append(figure);
    }
  }

  /** @param {string} location @returns {HTMLElement | null} */
  #frame(location) {
    return this.root.querySelector(`figure[data-location="${CSS.escape(location)}"] .frame`);
  }

  /**
   * @param {Columns} place @param {Series} series @param {HTMLElement} frame @param {number} top
   * @returns {uPlot.Options}
   */
  #options(place, series, frame, top) {
    const bars = /** @type {uPlot.Series.BarsPathBuilderFactory} */ (uPlot.paths.bars)({ size: [1], align: 1, gap: 0 });
    const axis = {
      stroke: colour("muted"),
      font: `12px ${getComputedStyle(document.body).fontFamily}`,
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: frame.clientWidth,
      height: HEIGHT,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone()),
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false },
        sync: { key: SYNC, setSeries: false },
      },
      scales: {
        x: { time: true, range: () => [series.from_s, series.to_s] },
        y: { range: () => [0, (top / 1000) * 1.08] },
      },
      axes: [
        { ...axis, size: 24, gap: 4, space: 62, values: clockLabels },
        { ...axis, size: 46, gap: 6, space: 34, values: (_, ticks) => ticks.map((tick) => NUMBER.format(tick)) },
      ],
      series: [
        {},
        ...PHASES.slice().reverse().map((name) => ({ fill: colour(name), width: 0, paths: bars, points: { show: false } })),
      ],
      hooks: {
        drawClear: [(plot) => this.#drawBehind(plot, place, series)],
        draw: [(plot) => this.#drawFailures(plot, place, series)],
        setCursor: [(plot) => this.#onCursor(plot, place)],
        setSelect: [(plot) => this.#zoom(plot)],
      },
    };
  }

  /** Hatching where results are missing, a wash where none passed.
   * @param {uPlot} plot @param {Columns} place @param {Series} series */
  #drawBehind(plot, place, series) {
    const hatch = hatching(plot.ctx);
    place.checks.forEach((checks, at) => {
      const isMissing = checks === 0;
      if (!isMissing && !(checks && place.failed[at] === checks)) return;
      const [left, width] = column(plot, series, at);
      plot.ctx.fillStyle = isMissing ? hatch : colour("down-wash");
      plot.ctx.fillRect(left, plot.bbox.top, width, plot.bbox.height);
    });
  }

  /** @param {uPlot} plot @param {Columns} place @param {Series} series */
  #drawFailures(plot, place, series) {
    plot.ctx.fillStyle = colour("down");
    const height = FAIL_HEIGHT * devicePixelRatio;
    place.failed.forEach((failed, at) => {
      if (!failed) return;
      const [left, width] = column(plot, series, at);
      plot.ctx.fillRect(left, plot.bbox.top + plot.bbox.height - height, Math.max(width, 2), height);
    });
  }

  /** A drag chose a span: the address names it, and everything follows. @param {uPlot} plot */
  #zoom(plot) {
    if (plot.select.width < 4) return;
    const from = plot.posToVal(plot.select.left, "x");
    const to = plot.posToVal(plot.select.left + plot.select.width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (to - from < 60) return;
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

  /** @param {uPlot} plot @param {Columns} place */
  #onCursor(plot, place) {
    const left = plot.cursor.left;
    if (left == null || left < 0 || !this.#series || !plot.over.matches(":hover")) return;
    this.#at = this.#indexAt(plot.posToVal(left, "x"));
    this.#read(place);
  }

  /** @param {number} seconds */
  #indexAt(seconds) {
    const series = /** @type {Series} */ (this.#series);
    const at = Math.floor((seconds - series.times[0]) / series.bucket_s);
    return Math.min(Math.max(at, 0), series.times.length - 1);
  }

  /** @param {Columns} place */
  #describe(place) {
    const series = /** @type {Series} */ (this.#series);
    const at = this.#at;
    const when = format(new Date(series.times[at] * 1000), "minute", true);
    const checks = place.checks[at];
    if (checks === 0) return `${place.title}, ${when}: no result`;
    if (checks == null) return `${place.title}, ${when}: nothing was due`;
    const failures = place.failed[at] ? `${place.failed[at]} of ${checks} ${checks === 1 ? "check" : "checks"} failed` : "";
    if (place.total_us[at] == null) return `${place.title}, ${when}: ${failures}`;
    const parts = PHASES.filter((name) => place[`${name}_us`][at])
      .map((name) => `${WORDS[name]} ${NUMBER.format((place[`${name}_us`][at] ?? 0) / 1000)}`);
    return `${place.title}, ${when}: ${ms(place.total_us[at])} total (${parts.join(", ")})${failures && `; ${failures}`}`;
  }

  /** @param {Columns} place */
  #read(place) {
    if (this.readout) this.readout.textContent = this.#describe(place);
    const frame = this.#frame(place.location);
    frame?.setAttribute("aria-valuenow", String(this.#at));
    frame?.setAttribute("aria-valuetext", this.#describe(place));
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

  /** @param {HTMLElement} frame @param {Columns} place */
  #prepareSlider(frame, place) {
    const series = /** @type {Series} */ (this.#series);
    frame.tabIndex = 0;
    frame.setAttribute("role", "slider");
    frame.setAttribute("aria-labelledby", `chart-${place.location}`);
    frame.setAttribute("aria-describedby", "chart-help");
    frame.setAttribute("aria-valuemin", "0");
    frame.setAttribute("aria-valuemax", String(series.times.length - 1));
    if (!frame.hasAttribute("aria-valuenow")) {
      frame.setAttribute("aria-valuenow", String(series.times.length - 1));
      frame.setAttribute("aria-valuetext", "Arrow keys read values");
    }
    frame.onkeydown = (event) => this.#onKey(event, place);
    frame.onclick = () => this.#open(place);
  }

  /** @param {KeyboardEvent} event @param {Columns} place */
  #onKey(event, place) {
    const series = /** @type {Series} */ (this.#series);
    const last = series.times.length - 1;
    const hour = Math.max(1, Math.round(3600 / series.bucket_s));
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: -hour, PageDown: hour, Home: -last, End: last };
    if (event.key === "Enter") this.#open(place);
    else if (event.key === "Escape") this.#reset();
    else if (event.key in steps && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const from = this.#at < 0 ? (steps[event.key] < 0 ? last + 1 : -1) : this.#at;
      this.#point(Math.min(Math.max(from + steps[event.key], 0), last));
      this.#read(place);
    } else return;
    event.preventDefault();
  }

  #reset() {
    this.#at = -1;
    for (const plot of this.#plots.values()) plot.setCursor({ left: -10, top: -10 }, false);
    if (this.readout) this.readout.textContent = "Point at a chart to read a value.";
    const address = new URL(location.href);
    if (!address.searchParams.has("from")) return;
    address.searchParams.delete("from");
    address.searchParams.delete("to");
    this.#go(address);
  }

  /** @param {Columns} place */
  #open(place) {
    const slot = this.#at < 0 ? null : place.slot[this.#at];
    if (!slot) return;
    const results = (this.root.dataset.charts ?? "").replace(/series\.json$/, "r");
    const tz = document.body.dataset.tz === "UTC" ? "?tz=UTC" : "";
    location.assign(`${results}/${slot}/${place.location}${tz}`);
  }

  #resize() {
    for (const [location, plot] of this.#plots) {
      const width = this.#frame(location)?.clientWidth ?? 0;
      if (width && width !== plot.width) plot.setSize({ width, height: HEIGHT });
    }
  }
}

/** Columns that, drawn over each other from the tallest to the shortest, make the stack.
 * @param {Series} series @param {Columns} place @returns {uPlot.AlignedData} */
function stack(series, place) {
  /** @type {(number | null)[]} */
  let below = place.total_us.map((total) => (total == null ? null : 0));
  const levels = PHASES.map((name) => {
    const phase = place[`${name}_us`];
    below = below.map((sum, at) => (sum == null ? null : sum + (phase[at] ?? 0) / 1000));
    return below;
  });
  return /** @type {uPlot.AlignedData} */ ([series.times, ...levels.reverse()]);
}

/** Left edge and width of a bucket, in the canvas's pixels.
 * @param {uPlot} plot @param {Series} series @param {number} at @returns {[number, number]} */
function column(plot, series, at) {
  const { left, width } = plot.bbox;
  const from = Math.max(left, plot.valToPos(series.times[at], "x", true));
  const to = Math.min(left + width, plot.valToPos(series.times[at] + series.bucket_s, "x", true));
  return [Math.round(from), Math.max(0, Math.round(to) - Math.round(from))];
}

/** @param {CanvasRenderingContext2D} context */
function hatching(context) {
  const size = Math.round(6 * devicePixelRatio);
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  if (pen) {
    pen.strokeStyle = colour("nodata");
    pen.lineWidth = devicePixelRatio;
    pen.globalAlpha = 0.75;
    pen.beginPath();
    for (const shift of [-size, 0, size]) {
      pen.moveTo(shift - 1, size + 1);
      pen.lineTo(shift + size + 1, -1);
    }
    pen.stroke();
  }
  return context.createPattern(tile, "repeat") ?? colour("nodata");
}

/** Hours and minutes; the day where it changes or where ticks are days apart.
 * @param {uPlot} _ @param {number[]} ticks */
function clockLabels(_, ticks) {
  let day = "";
  return ticks.map((tick, at) => {
    const when = new Date(tick * 1000);
    const clock = format(when, "clock");
    const date = format(when, "short").split(",")[0];
    const isNewDay = at > 0 && date !== day;
    day = date;
    return isNewDay ? date : clock;
  });
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
