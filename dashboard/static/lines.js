// All locations in one chart: a line each, of the whole time or of one phase.

import { WORDS, colour, failures, ms, when } from "./plot.js";

/**
 * @typedef {import("./plot.js").Columns} Columns
 * @typedef {import("./plot.js").Panel} Panel
 * @typedef {import("./plot.js").Series} Series
 */

// As many colours as .line in app.css has; then the same again, dashed.
const COLOURS = 8;
const DASHES = [[], [7, 4], [2, 3]];

/**
 * @param {Series} series
 * @param {string} measure total, or a phase
 * @param {string} title
 * @param {Map<string, number>} numbers which colour each location has
 * @returns {Panel}
 */
export function lines(series, measure, title, numbers) {
  const columns = series.locations.map((place) => place[`${measure}_us`]);
  const middles = series.times.map((time) => time + series.bucket_s / 2);
  let chosen = 0;
  return {
    name: "",
    title,
    values: columns,
    data: () => /** @type {import("uplot").AlignedData} */ (
      [middles, ...columns.map((column) => column.map((micros) => (micros == null ? null : micros / 1000)))]),
    series: series.locations.map((place, at) => {
      const number = numbers.get(place.location) ?? at;
      const dash = DASHES[Math.floor(number / COLOURS) % DASHES.length];
      return { stroke: colour(`line-${number % COLOURS}`), width: 1.75, dash, points: { show: false } };
    }),
    marked: series.locations,
    isStack: false,
    describe: (at) => describe(series, measure, chosen, at),
    chosen: () => series.locations[chosen] ?? null,
    choose: (step) => { chosen = (chosen + step + series.locations.length) % series.locations.length; },
    focus: (index) => { if (index) chosen = index - 1; },
  };
}

/** The chosen location first, then the others from the slowest to the fastest.
 * @param {Series} series @param {string} measure @param {number} chosen @param {number} at */
function describe(series, measure, chosen, at) {
  const place = series.locations[chosen];
  if (!place) return "";
  const others = series.locations.filter((other) => other !== place && other[`${measure}_us`][at] != null)
    .sort((one, other) => (other[`${measure}_us`][at] ?? 0) - (one[`${measure}_us`][at] ?? 0))
    .map((other) => `${other.title} ${ms(other[`${measure}_us`][at])}`);
  const rest = others.length ? ` (${others.join(", ")})` : "";
  return `${place.title}, ${when(series, at)}: ${own(place, measure, at)}${rest}`;
}

/** @param {Columns} place @param {string} measure @param {number} at */
function own(place, measure, at) {
  const micros = place[`${measure}_us`][at];
  if (place.checks[at] === 0) return "no result";
  if (place.checks[at] == null) return "nothing was due";
  const failed = failures(place, at);
  if (micros == null) return failed || `no ${WORDS[measure]}`;
  return `${ms(micros)} ${WORDS[measure]}${failed && `; ${failed}`}`;
}
