// One location's phases over time, drawn over each other from the tallest to the shortest.

import uPlot from "./vendor/uPlot.esm.js";
import { NUMBER, PHASES, WORDS, colour, failures, ms, when } from "./plot.js";

/**
 * @typedef {import("./plot.js").Columns} Columns
 * @typedef {import("./plot.js").Panel} Panel
 * @typedef {import("./plot.js").Series} Series
 */

/** @param {Series} series @param {Columns} place @returns {Panel} */
export function stack(series, place) {
  const bars = /** @type {uPlot.Series.BarsPathBuilderFactory} */ (uPlot.paths.bars)({ size: [1], align: 1, gap: 0 });
  return {
    name: place.location,
    title: place.title,
    values: [place.total_us],
    data: () => levels(series, place),
    series: PHASES.slice().reverse()
      .map((name) => ({ fill: colour(name), width: 0, paths: bars, points: { show: false } })),
    marked: [place],
    isStack: true,
    describe: (at) => describe(series, place, at),
    chosen: () => place,
    choose: () => {},
    focus: () => {},
  };
}

/** Columns that, drawn over each other, make the stack.
 * @param {Series} series @param {Columns} place @returns {uPlot.AlignedData} */
function levels(series, place) {
  /** @type {(number | null)[]} */
  let below = place.total_us.map((total) => (total == null ? null : 0));
  const tops = PHASES.map((name) => {
    const phase = place[`${name}_us`];
    below = below.map((sum, at) => (sum == null ? null : sum + (phase[at] ?? 0) / 1000));
    return below;
  });
  return /** @type {uPlot.AlignedData} */ ([series.times, ...tops.reverse()]);
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
