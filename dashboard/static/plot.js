// What the charts of a monitor share: the series they draw, axes, colours, marks.

import uPlot from "uplot";
import { format, zone } from "./times.js";

/**
 * @typedef {object} Place one location's columns, a value per bucket; see dashboard/series.py
 * @property {string} location
 * @property {string} title
 * @property {(number | null)[]} checks
 * @property {number[]} failed
 * @property {(number | null)[]} total_us
 * @property {(number | null)[]} slot_us
 * @typedef {Place & Record<string, (number | null)[]>} Columns
 * @typedef {{from_s: number, to_s: number, bucket_s: number, times: number[], locations: Columns[]}} Series
 */

/**
 * @typedef {object} Panel one chart: what is drawn in a frame, and what may be read from it
 * @property {string} name stands in the figure's data-location
 * @property {string} title
 * @property {(number | null)[][]} values what its scale must hold, microseconds
 * @property {(series: Series) => uPlot.AlignedData} data
 * @property {uPlot.Series[]} series
 * @property {(plot: uPlot) => void} [paint] draws what is in the frame, where no series of uPlot's does
 * @property {Columns[]} marked the locations whose failures are marked
 * @property {boolean} isStack one location's phases, hatched where results are missing; else lines
 * @property {(at: number) => string} describe a bucket in words
 * @property {() => Columns | null} chosen the location whose result Enter opens
 * @property {(step: number) => void} choose up or down to another location
 * @property {(index: number | null) => void} focus a line was pointed at
 */

export const PHASES = ["redirect", "dns", "connect", "tls", "wait", "receive", "resources"];
/** @type {Record<string, string>} */
export const WORDS = {
  total: "total", redirect: "redirects", dns: "DNS", connect: "connect", tls: "TLS", wait: "wait", receive: "transfer",
  resources: "resources",
};
export const HEIGHT = 184;
const FAIL_HEIGHT = 5;
const SYNC = "charts";
export const NUMBER = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
// Ticks may be half a millisecond apart.
const TICK = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 2 });

// What the style says, asked once for all charts: between two of them the page would be laid out anew.
/** @type {Map<string, string>} */
const styles = new Map();

/** @param {string} name of colours.css */
export function colour(name) {
  return style(`--${name}`);
}

/** @param {string} property */
function style(property) {
  const known = styles.get(property);
  if (known !== undefined) return known;
  const value = getComputedStyle(document.body).getPropertyValue(property).trim();
  styles.set(property, value);
  return value;
}

/** Before charts are drawn anew: light may have become dark. */
export function forgetStyles() {
  styles.clear();
  hatch = null;
}

/** @param {number | null | undefined} micros */
export function ms(micros) {
  if (micros == null) return "–";
  if (micros < 9950) return `${(micros / 1000).toFixed(1)} ms`;
  return micros < 9_999_500 ? `${NUMBER.format(micros / 1000)} ms` : `${(micros / 1e6).toFixed(1)} s`;
}

/** A bucket's begin in words. @param {Series} series @param {number} at */
export function when(series, at) {
  return format(new Date(series.times[at] * 1000), "minute", true);
}

/** @param {Columns} place @param {number} at */
export function failures(place, at) {
  const checks = place.checks[at];
  return place.failed[at] ? `${place.failed[at]} of ${checks} ${checks === 1 ? "check" : "checks"} failed` : "";
}

/** What a chart shows may change after it was made, so its panel and series are asked for when it is drawn.
 * @param {import("./chart.js").Chart} chart @param {{width: number, height: number}} size
 * @returns {uPlot.Options}
 */
export function options(chart, size) {
  const { panel, on } = chart;
  const marked = (/** @type {(place: Columns) => void} */ draw) => chart.panel.marked.forEach(draw);
  const axis = {
    stroke: colour("muted"),
    font: `12px ${style("font-family")}`,
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
  };
  return {
    ...size,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone()),
    focus: { alpha: 0.25 },
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false },
      focus: { prox: panel.isStack ? -1 : 24 },
      sync: { key: SYNC, setSeries: false },
    },
    scales: {
      x: { time: true, range: () => [chart.series.from_s, chart.series.to_s] },
      y: { range: () => [0, (chart.top / 1000) * 1.08] },
    },
    axes: [
      { ...axis, size: 24, gap: 4, space: 62, values: clockLabels },
      { ...axis, size: 46, gap: 6, space: 34, values: (_, ticks) => ticks.map((tick) => TICK.format(tick)) },
    ],
    series: [{}, ...panel.series],
    hooks: {
      drawClear: [(plot) => panel.isStack && marked((place) => drawBehind(plot, place, chart.series))],
      draw: [
        (plot) => chart.panel.paint?.(plot),
        (plot) => drawLimit(plot, chart.limit_us),
        (plot) => marked((place) => drawFailures(plot, place, chart.series)),
      ],
      setCursor: [() => on.setCursor(chart)],
      setSelect: [() => on.setSelect(chart)],
      setSeries: [(_, index) => chart.panel.focus(index)],
    },
  };
}

/** Hatching where results are missing, a wash where none passed.
 * @param {uPlot} plot @param {Columns} place @param {Series} series */
function drawBehind(plot, place, series) {
  place.checks.forEach((checks, at) => {
    const isMissing = checks === 0;
    if (!isMissing && !(checks && place.failed[at] === checks)) return;
    const [left, width] = column(plot, series, at);
    plot.ctx.fillStyle = isMissing ? hatching(plot.ctx) : colour("down-wash");
    plot.ctx.fillRect(left, plot.bbox.top, width, plot.bbox.height);
  });
}

/** @param {uPlot} plot @param {Columns} place @param {Series} series */
function drawFailures(plot, place, series) {
  plot.ctx.fillStyle = colour("down");
  const height = FAIL_HEIGHT * devicePixelRatio;
  place.failed.forEach((failed, at) => {
    if (!failed) return;
    const [left, width] = column(plot, series, at);
    plot.ctx.fillRect(left, plot.bbox.top + plot.bbox.height - height, Math.max(width, 2), height);
  });
}

/** From where on it is slow, where that is on the scale. @param {uPlot} plot @param {number} limit_us 0: none */
function drawLimit(plot, limit_us) {
  const { left, top, width } = plot.bbox;
  const y = Math.round(plot.valToPos(limit_us / 1000, "y", true)) + 0.5;
  if (!limit_us || y < top) return;
  const pen = plot.ctx;
  pen.save();
  pen.strokeStyle = colour("slow");
  pen.lineWidth = devicePixelRatio;
  pen.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  pen.beginPath();
  pen.moveTo(left, y);
  pen.lineTo(left + width, y);
  pen.stroke();
  pen.restore();
}

/** Left edge and width of a bucket, in the canvas's pixels.
 * @param {uPlot} plot @param {Series} series @param {number} at @returns {[number, number]} */
function column(plot, series, at) {
  const from = edge(plot, series.times[at]);
  return [from, edge(plot, series.times[at] + series.bucket_s) - from];
}

/** Where each bucket begins, and where the last one ends. @param {uPlot} plot @param {Series} series */
export function edges(plot, series) {
  return [...series.times, (series.times.at(-1) ?? 0) + series.bucket_s].map((time) => edge(plot, time));
}

/** @param {uPlot} plot @param {number} time */
function edge(plot, time) {
  const { left, width } = plot.bbox;
  return Math.round(Math.min(left + width, Math.max(left, plot.valToPos(time, "x", true))));
}

/** @type {CanvasPattern | null} */
let hatch = null;

/** @param {CanvasRenderingContext2D} context */
function hatching(context) {
  hatch ??= pattern(context);
  return hatch ?? colour("nodata");
}

/** @param {CanvasRenderingContext2D} context */
function pattern(context) {
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
  return context.createPattern(tile, "repeat");
}

/** Hours and minutes; the day where it changes or where ticks are days apart.
 * @param {uPlot} _ @param {number[]} ticks */
function clockLabels(_, ticks) {
  let day = "";
  return ticks.map((tick, at) => {
    const when = new Date(tick * 1000);
    const clock = format(when, "clock");
    const date = format(when, "short").split(",")[0];
    const isNewDay = date !== day && (at > 0 || clock === "00:00");
    day = date;
    return isNewDay ? date : clock;
  });
}
