/** Elements made by hand: the pages make no markup from text (Trusted Types forbid it). */

export function made(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

/** Fill a list of facts from [name, value] rows; a value is text or an element. What is not known gets no row. */
export function fillFacts(list, rows) {
  list.replaceChildren();
  for (const [name, value] of rows) {
    if (value === null || value === undefined || value === "") continue;
    const row = list.appendChild(made("div"));
    row.append(made("dt", "", name));
    row.appendChild(made("dd")).append(value);
  }
  list.hidden = list.childElementCount === 0;
}

/** Words in a line of its own, which is there only while it has some. A status region is read when its words change. */
export function tell(line, words) {
  line.textContent = words;
  line.hidden = !words;
}

/** An instant for people, in their zone: today the time, otherwise the day. */
export function instant(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  const shown = made("time", "", today ? `today, ${at.toLocaleTimeString([], { timeStyle: "short" })}` : at.toLocaleDateString([], { dateStyle: "medium" }));
  shown.dateTime = iso;
  shown.title = at.toLocaleString();
  return shown;
}

/** 75 → "2 minutes": how long somebody is asked to wait, rounded up. */
export function waiting(seconds) {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  return minutes === 1 ? "a minute" : `${minutes} minutes`;
}
