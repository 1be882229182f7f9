// The server writes times in the zone of the account's settings, else in UTC. Here the latter become
// the browser's own, unless the address says tz=UTC; the zone is always named.

const LOCALE = "en-GB";

/** @type {Record<string, Intl.DateTimeFormatOptions>} */
const STYLES = {
  seconds: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  minute: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" },
  moment: {
    day: "numeric", month: "short", year: "numeric",
    hour: "2-digit", minute: "2-digit", second: "2-digit",
  },
  day: { day: "numeric", month: "short", year: "numeric" },
  short: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  weekday: { weekday: "long", hour: "2-digit", minute: "2-digit" },
  clock: { hour: "2-digit", minute: "2-digit" },
};

// To ask the browser takes as long as to format ten times.
const OWN_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** The zone that times are shown in: UTC where the address asks for it, else the reader's. */
export function zone() {
  const { tz, timeZone } = document.body.dataset;
  return tz === "UTC" ? "UTC" : timeZone || OWN_ZONE;
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * @param {Date} at
 * @param {string} style a name of STYLES
 * @param {boolean} [withZone]
 */
export function format(at, style, withZone = false) {
  const key = `${style} ${withZone} ${zone()}`;
  let found = formats.get(key);
  if (!found) {
    /** @type {Intl.DateTimeFormatOptions} */
    const options = { ...STYLES[style], timeZone: zone(), hourCycle: "h23" };
    if (withZone) options.timeZoneName = "short";
    found = new Intl.DateTimeFormat(LOCALE, options);
    formats.set(key, found);
  }
  return found.format(at).replace(" at ", ", ");
}

/** @param {Date} at */
function ago(at) {
  const seconds = Math.max(0, Math.round((Date.now() - at.getTime()) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 2 * 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400).toLocaleString(LOCALE)} days ago`;
}

/** @param {Date} at */
function isToday(at) {
  return format(at, "day") === format(new Date(), "day");
}

/** @param {ParentNode} root */
export function rewriteTimes(root) {
  for (const element of times(root)) {
    const at = new Date(element.dateTime);
    const style = element.dataset.time ?? "minute";
    const withZone = element.dataset.zone === "yes";
    const text =
      style === "ago" ? ago(at)
      : style === "since" ? format(at, isToday(at) ? "clock" : "short", withZone)
      : format(at, style, withZone);
    if (element.textContent !== text) element.textContent = text;
  }
  for (const element of root.querySelectorAll("[data-zone-name]")) {
    element.textContent = zone().replaceAll("_", " ");
  }
  // Whose own time is UTC has nothing to choose.
  for (const element of root.querySelectorAll("[data-utc-link]")) {
    if (element instanceof HTMLElement) element.hidden = zone() === "UTC";
  }
}

/** What is seen only where one points: hundreds, which can wait until the page is there.
 * @param {ParentNode} root */
export function rewriteTitles(root) {
  for (const element of times(root)) element.title = format(new Date(element.dateTime), "moment", true);
}

/** An instant as it stands in an address. @param {number} seconds */
export function instant(seconds) {
  return new Date(Math.round(seconds) * 1000).toISOString().replace(".000", "");
}

/** @param {ParentNode} root @returns {NodeListOf<HTMLTimeElement>} */
function times(root) {
  return root.querySelectorAll("time[data-time]");
}

setInterval(() => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("time[data-time=ago]")) {
    if (element instanceof HTMLTimeElement) element.textContent = ago(new Date(element.dateTime));
  }
}, 1000);
