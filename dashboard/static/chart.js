// One chart in its frame. What comes in later is drawn into it only where it would look another way,
// so the crosshair, a drag and the chosen line stay.

import uPlot from "uplot";
import { HEIGHT, options } from "./plot.js";

/**
 * @typedef {import("./plot.js").Panel} Panel
 * @typedef {import("./plot.js").Series} Series
 * @typedef {{width: number, height: number}} Size
 * @typedef {{columns: string, locations: string, top: number, from_s: number, to_s: number}} Drawn
 */

export class Chart {
  /** @type {uPlot | null} */
  #plot = null;
  /** @type {Drawn} */
  #drawn = { columns: "", locations: "", top: 0, from_s: 0, to_s: 0 };

  /**
   * @param {HTMLElement} frame
   * @param {Panel} panel
   * @param {Series} series
   * @param {{setCursor: (chart: Chart) => void, setSelect: (chart: Chart) => void}} on what pointing does
   */
  constructor(frame, panel, series, on) {
    this.frame = frame;
    this.panel = panel;
    this.series = series;
    this.top = 0;
    this.on = on;
    const limited = frame.closest("[data-limit]");
    this.limit_us = limited instanceof HTMLElement ? Number(limited.dataset.limit) : 0;
  }

  /** Only where it has been drawn. */
  get plot() {
    return /** @type {uPlot} */ (this.#plot);
  }

  /** How large it is to be; all are measured before the first is drawn, or the page would be laid
   * out once for each. @returns {Size} */
  measure() {
    return { width: this.frame.clientWidth, height: this.frame.clientHeight || HEIGHT };
  }

  /** @param {Panel} panel @param {Series} series @param {number} top of its scale @param {Size} size */
  show(panel, series, top, size) {
    const marks = panel.marked;
    const drawn = {
      columns: JSON.stringify(marks), locations: marks.map((place) => place.location).join(), top,
      from_s: series.from_s, to_s: series.to_s,
    };
    const chosen = marks.findIndex((place) => place.location === this.panel.chosen()?.location);
    if (chosen >= 0) panel.focus(chosen + 1);
    Object.assign(this, { panel, series, top });
    if (!this.#plot || drawn.locations !== this.#drawn.locations) this.#create(size);
    else if (this.#looksAnother(drawn, size)) this.#plot.setData(panel.data(series));
    else return;
    this.#drawn = drawn;
  }

  /** @param {Size} size */
  #create(size) {
    this.destroy();
    this.#plot = new uPlot(options(this, size), this.panel.data(this.series), this.frame);
  }

  /** Time goes on at every look, but hardly ever by so much as half a pixel.
   * @param {Drawn} next @param {Size} size */
  #looksAnother(next, size) {
    const last = this.#drawn;
    const least = (next.to_s - next.from_s) / size.width / 2;
    return next.columns !== last.columns || next.top !== last.top
      || Math.abs(next.from_s - last.from_s) > least || Math.abs(next.to_s - last.to_s) > least;
  }

  resize() {
    const size = this.measure();
    if (this.#plot && size.width && size.width !== this.#plot.width) this.#plot.setSize(size);
  }

  destroy() {
    this.#plot?.destroy();
    this.#plot = null;
    this.frame.replaceChildren();
  }
}
