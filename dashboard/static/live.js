// Follows the server's stream of new results while the page can be seen.

import { refreshSoon } from "./refresh.js";

// Results that stop coming send no message, so the page looks for itself now and then.
const LOOK_AGAIN_MS = 30_000;

/** Listen, and refresh when a result came in that this page shows. */
export function follow() {
  const address = document.body.dataset.live;
  if (!address) return;
  const monitor = document.body.dataset.monitor;
  /** @type {EventSource | null} */
  let stream = null;
  let wasClosed = false;

  const open = () => {
    if (stream || document.hidden) return;
    stream = new EventSource(address);
    stream.addEventListener("open", () => {
      show(true);
      if (wasClosed) refreshSoon();
      wasClosed = false;
    });
    stream.addEventListener("error", () => {
      show(false);
      wasClosed = true;
      // Refused, as when too many pages are open: the next look tries again.
      if (stream?.readyState === EventSource.CLOSED) stream = null;
    });
    stream.addEventListener("results", (event) => {
      const ids = event.data ? event.data.split(",") : [];
      if (!monitor || !ids.length || ids.includes(monitor)) refreshSoon();
    });
  };
  const close = () => {
    stream?.close();
    stream = null;
    wasClosed = true;
    show(false);
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  setInterval(() => {
    if (document.hidden) return;
    refreshSoon();
    open();
  }, LOOK_AGAIN_MS);
  open();
}

/** @param {boolean} isLive */
function show(isLive) {
  const mark = document.getElementById("live");
  const word = mark?.querySelector("[data-live-word]");
  if (!mark || !word) return;
  mark.hidden = false;
  mark.classList.toggle("paused", !isLive);
  word.textContent = isLive ? "Live" : "Reconnecting…";
}
