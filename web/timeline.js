/** A ceremony's timeline as a list: every step with its time, and between two steps the time that passed. */

import { made } from "./elements.js";

/** From this gap on (ms), the line between two steps grows, so that the eye finds where the time went. */
const GAPS = [[10_000, "gap-4"], [1_000, "gap-3"], [100, "gap-2"], [10, "gap-1"]];
const SOURCES = { history: "Engine", audit: "Audit" };

/** @param {HTMLOListElement} list  @param {{at: string, source: string, step: string, detail: string}[]} steps oldest first */
export function drawTimeline(list, steps) {
  list.replaceChildren();
  let previousMs = null;
  for (const { at, source, step, detail } of steps.map(entityNamed)) {
    const atMs = Date.parse(at);
    const gapMs = previousMs === null ? null : atMs - previousMs;
    previousMs = atMs;
    const item = list.appendChild(document.createElement("li"));
    item.dataset.source = source;
    if (gapMs !== null) {
      item.classList.add(GAPS.find(([fromMs]) => gapMs >= fromMs)?.[1] ?? "gap-0");
      if (gapMs > 0) item.append(made("span", "gap", `+${duration(gapMs)}`));
    }
    const time = made("time", "at", clock(at));
    time.dateTime = at;
    const what = made("span", "what");
    what.append(made("span", "step", capitalised(words(step))), " ", made("span", "source", SOURCES[source] ?? source));
    item.append(time, what);
    if (detail) item.append(made("span", "detail", typeof detail === "string" ? words(detail) : JSON.stringify(detail)));
  }
}

/** An entity's instance id is @name@key: the name is the step, and its key goes with the detail. */
function entityNamed(told) {
  const [, name, key] = /^@([^@]+)@(.*)$/.exec(told.step) ?? [];
  return name ? { ...told, step: name, detail: [key, told.detail].filter(Boolean).join(": ") } : told;
}

/** 4380 → "4.38 s"; 12 → "12 ms"; 125000 → "2 min 5 s". */
export function duration(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** 14:03:22.481, in the reader's own zone. */
export function clock(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "";
  const two = (number) => String(number).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** issue_registration_challenge → issue registration challenge; an instant in the text → the reader's clock. */
function words(text) {
  return text
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, clock)
    .replace(/\b[a-z]+(?:_[a-z]+)+\b/g, (name) => name.replaceAll("_", " "));
}

function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
