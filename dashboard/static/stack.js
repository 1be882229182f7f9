// One location's phases over time, one upon the other.

import { NUMBER, PHASES, WORDS, colour, edges, failures, ms, when } from "./plot.js";

/**
 * @typedef {import("./plot.js").Columns} Columns
 * @typedef {import("./plot.js").Panel} Panel
 * @typedef {import("./plot.js").Series} Series
 */

/** @param {Series} series @param {Columns} place @returns {Panel} */
export function stack(series, place) {
  return {
    name: place.location,
    title: place.title,
    values: [place.total_us],
    data: () => [series.times, place.total_us],
    // uPlot draws no line of it.
    series: [{ paths: () => null, points: { show: false } }],
    paint: (plot) => paint(plot, series, place),
    marked: [place],
    isStack: true,
    describe: (at) => describe(series, place, at),
    chosen: () => place,
    choose: () => {},
    focus: () => {},
  };
}

/** Rectangles of whole pixels, which a canvas fills in a tenth of the time that it takes for paths.
 * @param {import("uplot")} plot @param {Series} series @param {Columns} place */
function paint(plot, series, place) {
  const { top, height } = plot.bbox;
  const bottom = top + height;
  const perMicro = height / ((plot.scales.y.max ?? 1) * 1000);
  const lefts = edges(plot, series);
  const below = place.total_us.map(() => 0);
  for (const name of PHASES) {
    const phase = place[`${name}_us`];
    plot.ctx.fillStyle = colour(name);
    for (const [at, micros] of phase.entries()) {
      if (!micros || place.total_us[at] == null) continue;
      const from = Math.round(bottom - below[at] * perMicro);
      below[at] += micros;
      const to = Math.round(bottom - below[at] * perMicro);
      plot.ctx.fillRect(lefts[at], to, lefts[at + 1] - lefts[at], from - to);
    }
  }
}

/** @param {Series} series @param {Columns} place @param {number} at */
function describe(series, place, at) {
  const begin = `${place.title}, ${when(series, at)}`;
  const checks = place.checks[at];
  if (checks === 0) return `${begin}: no result`;
  if (checks == null) return `${begin}: nothing was due`;
  const failed = failures(place, at);
  if (place.total_us[at] == null) return `${begin}: ${failed}`;
  const parts = PHASES.filter((name) => place[`${name}_us`][at])
    .map((name) => `${WORDS[name]} ${NUMBER.format((place[`${name}_us`][at] ?? 0) / 1000)}`);
  return `${begin}: ${ms(place.total_us[at])} total (${parts.join(", ")})${failed && `; ${failed}`}`;
}
