// Small conveniences of forms: the filter that works while typing, the range in local time.

import { zone } from "./times.js";
import { refresh } from "./refresh.js";

/** Make the page's forms convenient. */
export function prepareForms() {
  const filter = document.getElementById("q");
  if (filter instanceof HTMLInputElement) filterWhileTyping(filter);
  const choice = document.querySelector("select[data-zone-choice]");
  if (choice instanceof HTMLSelectElement) chooseZone(choice);
  document.addEventListener("toggle", (event) => {
    const details = event.target;
    const form = details instanceof HTMLDetailsElement && details.open ? details.querySelector("form") : null;
    if (form) showLocal(form);
  }, true);
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form instanceof HTMLFormElement && form.dataset.customRange !== undefined) sendUtc(form);
  });
  document.addEventListener("click", goInPlace);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeOpened();
  });
}

/** Close what was opened to choose or to be sure; the keyboard goes on from where it opened it. */
function closeOpened() {
  for (const open of document.querySelectorAll(".range details[open], .twice[open]")) {
    if (!(open instanceof HTMLDetailsElement)) continue;
    if (open.contains(document.activeElement)) open.querySelector("summary")?.focus();
    open.open = false;
  }
}

/** Follow a link to this page in another state without loading it anew: the place on it stays.
 * @param {MouseEvent} event */
function goInPlace(event) {
  const link = event.target instanceof Element ? event.target.closest("a[data-in-place]") : null;
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  refresh();
}

/** @param {HTMLInputElement} input */
function filterWhileTyping(input) {
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      const address = new URL(location.href);
      address.searchParams.delete("page");
      if (input.value.trim()) address.searchParams.set("q", input.value.trim());
      else address.searchParams.delete("q");
      history.replaceState(null, "", address);
      refresh();
    }, 150);
  });
}

/** Choose the zone of the page's times, and say in it what the form proposes. @param {HTMLSelectElement} choice */
function chooseZone(choice) {
  const own = zone();
  if (![...choice.options].some((option) => option.value === own)) return;
  choice.value = own;
  if (choice.form) showLocal(choice.form);
}

/** The inputs hold UTC when they come from the server. @param {HTMLFormElement} form */
function showLocal(form) {
  for (const input of instants(form)) {
    const at = new Date(input.dataset.utc ?? "");
    if (zone() === "UTC" || Number.isNaN(at.getTime())) continue;
    const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
    input.value = local.toISOString().slice(0, 16);
  }
}

/** @param {HTMLFormElement} form */
function sendUtc(form) {
  if (zone() === "UTC") return;
  for (const input of instants(form)) {
    const at = new Date(input.value);
    input.type = "hidden";
    input.value = at.toISOString().replace(/\.\d+/, "");
  }
}

/** @param {HTMLFormElement} form @returns {HTMLInputElement[]} */
function instants(form) {
  return [...form.querySelectorAll("input[data-utc]")].filter((input) => input instanceof HTMLInputElement);
}
