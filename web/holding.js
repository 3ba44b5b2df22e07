/** One passkey in a list: what it is called, since when it is there, and what can be done with it. */

import { instant, made } from "./elements.js";

/** The person's own name for it; else what made it; else where it is. */
export function titleOf({ name, authenticator, transports }) {
  if (name || authenticator.name) return name || authenticator.name;
  if (transports.includes("internal")) return "Passkey on a device";
  return transports.some((transport) => ["usb", "nfc", "ble"].includes(transport)) ? "Security key" : "Passkey";
}

/**
 * @param {object} passkey as the service lists it
 * @param {{badges: ([tone: string, words: string] | null)[], told: string, more: Element[],
 *          actions: ([className: string, words: string, act: () => void] | null)[]}} drawn
 *   `told`: the line below the name; `more`: what stands between the dates and the actions
 */
export function drawPasskey(passkey, { badges, told, more, actions }) {
  const name = titleOf(passkey);
  const item = made("li", "holding");
  item.dataset.id = passkey.id;
  const body = item.appendChild(made("div", "holding-body"));
  const head = body.appendChild(made("div", "holding-head"));
  head.append(made("h3", "", name));
  for (const [tone, words] of badges.filter(Boolean)) head.append(made("span", `badge ${tone}`, words));
  body.append(made("p", "holding-facts", told), dates(passkey), ...more);
  const buttons = body.appendChild(made("div", "holding-actions"));
  for (const [className, words, act] of actions.filter(Boolean)) {
    const button = buttons.appendChild(made("button", `quiet ${className}`, words));
    button.type = "button";
    button.append(made("span", "visually-hidden", ` ${name}`)); // read aloud, each button is another
    button.addEventListener("click", act);
  }
  return item;
}

function dates({ createdAt, lastUsedAt }) {
  const line = made("p", "holding-facts");
  const created = made("span", "", "Created ");
  created.append(instant(createdAt));
  const used = made("span", "", lastUsedAt ? "Last used " : "Not used yet");
  if (lastUsedAt) used.append(instant(lastUsedAt));
  line.append(created, " ", used);
  return line;
}
