/**
 * "Your passkeys": the list of a person's passkeys, and what can be done with each. What is shown is what the service said last;
 * every change asks it, and it decides.
 */

import { listPasskeys, needsSignIn, removePasskey, renamePasskey } from "./credentials_api.js";
import { made, tell, waiting } from "./elements.js";
import { drawPasskey, titleOf } from "./holding.js";
import { ask } from "./question.js";
import { signalAccepted } from "./signals.js";

const LONGEST_NAME = 64;
const STANDINGS = {
  disabled: ["bad", "Disabled", "It signs nobody in any more. If you still have it, ask the people who look after your account why. If you do not, remove it."],
  step_up: ["warn", "Replace it", "The service no longer trusts this kind of passkey. It only opens this list. Add another one, then remove this one."],
};

/**
 * @param {{list: HTMLElement, title: HTMLElement, status: HTMLElement, hint: HTMLElement, announce: (sentence: string) => void,
 *          signInAgain: (purpose: string, act: () => void) => void, onGone: (sentence: string) => void}} page
 *   `signInAgain` asks the person to sign in, comes back with a fresh session, and acts; `onGone`: the passkey in use is removed,
 *   and the session with it.
 */
export function createPasskeys({ list, title, status, hint, announce, signInAgain, onGone }) {
  let session = null;
  let held = []; // the passkeys as listed

  async function load() {
    const mine = session;
    list.setAttribute("aria-busy", "true");
    try {
      const { credentials, signals } = await listPasskeys(mine);
      if (mine !== session) return;
      held = credentials;
      draw();
      signalAccepted(signals);
    } catch (error) {
      if (mine !== session) return;
      if (held.length === 0) list.replaceChildren(again());
      fail(error, "see your passkeys", () => {}); // coming back, they are asked for anyway
    } finally {
      list.removeAttribute("aria-busy");
    }
  }

  /** Ask the service for a change; when it wants a fresh sign-in first, get one and ask again. */
  async function change(purpose, request) {
    const mine = session;
    say("");
    try {
      return await request(mine);
    } catch (error) {
      if (mine === session) fail(error, purpose, () => change(purpose, request));
      return null;
    }
  }

  function fail(error, purpose, act) {
    if (needsSignIn(error)) return void signInAgain(purpose, act);
    if (error.code === "credential_unknown") {
      say("This passkey is no longer there.");
      return void load();
    }
    if (error.code === "host_unreachable") return say("The service does not answer. Check that you are online, then try again.", "bad");
    if (error.code === "rate_limited") return say(`Too many changes in a short time. Try again in ${waiting(error.retryAfterSeconds)}.`);
    say(error.detail || "That did not work. Try again in a minute.", "bad");
  }

  // --- Rename, remove -------------------------------------------------------------------------------------------------

  function rename(passkey, item) {
    const form = made("form", "rename");
    const field = made("input");
    field.value = titleOf(passkey);
    field.required = true;
    field.maxLength = LONGEST_NAME;
    field.pattern = ".*\\S.*";
    field.autocomplete = "off";
    field.id = "new-name";
    const label = made("label", "", "Name of this passkey");
    label.htmlFor = field.id;
    const keep = made("button", "secondary", "Save");
    const leave = made("button", "quiet", "Cancel");
    leave.type = "button";
    form.append(label, field, keep, leave);
    const close = () => {
      draw();
      focusOn(passkey.id, ".do-rename");
    };
    leave.addEventListener("click", close);
    form.addEventListener("keydown", (event) => event.key === "Escape" && close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = field.value.trim();
      if (name === titleOf(passkey)) return close();
      saveName(passkey.id, name);
    });
    item.querySelector(".holding-head").replaceChildren(form);
    item.querySelector(".holding-actions").hidden = true;
    field.focus();
    field.select();
  }

  async function saveName(id, name) {
    await change("rename this passkey", async (now) => {
      const renamed = await renamePasskey(now, id, name);
      held = held.map((passkey) => (passkey.id === id ? renamed : passkey));
      draw();
      focusOn(id, ".do-rename");
      announce(`Renamed to ${titleOf(renamed)}.`);
    });
  }

  async function remove(passkey, { last = held.length === 1 } = {}) {
    if (!(await ask(last ? lastQuestion(passkey) : question(passkey)))) return;
    await change("remove this passkey", (now) => removeNow(now, passkey, last));
  }

  async function removeNow(now, passkey, last) {
    try {
      const { signals } = await removePasskey(now, passkey.id, { last });
      signalAccepted(signals);
    } catch (error) {
      if (error.code !== "last_credential") throw error;
      return void remove(passkey, { last: true }); // the others went meanwhile
    }
    const name = titleOf(passkey);
    if (last) return onGone(`${name} was your last passkey. It is removed, and you are signed out.`);
    if (passkey.current) return onGone(`${name} is removed. You had signed in with it, so you are signed out.`);
    held = held.filter(({ id }) => id !== passkey.id);
    draw();
    title.focus();
    say(`${name} is removed.`, "good");
  }

  // --- Drawing --------------------------------------------------------------------------------------------------------

  function draw() {
    list.replaceChildren(...held.map(item));
    const alone = held.length === 1 && !held[0].synced && held[0].standing === "active";
    tell(hint, alone ? "This is your only passkey, and it is on one device only. Add another one, so that a lost device does not lock you out." : "");
  }

  function item(passkey) {
    const name = titleOf(passkey);
    const kind = passkey.authenticator.name;
    const [tone, badge, advice] = STANDINGS[passkey.standing] ?? [];
    const line = drawPasskey(passkey, {
      badges: [passkey.current ? ["good", "In use now"] : null, badge ? [tone, badge] : null],
      // The model, where the name is the person's own; and where the passkey is.
      told: kind && kind !== name ? `${kind}, ${kept(passkey).toLowerCase()}` : kept(passkey),
      more: advice ? [made("p", "holding-advice", advice)] : [],
      actions: [
        session.stepUp ? null : ["do-rename", "Rename", () => rename(passkey, line)],
        ["do-remove", "Remove", () => remove(passkey)],
      ],
    });
    line.prepend(emblem(passkey));
    return line;
  }

  /** In place of a list that could not be had. */
  function again() {
    const line = made("li", "holding-wait");
    const button = made("button", "secondary", "Try again");
    button.type = "button";
    button.addEventListener("click", async () => {
      say("");
      await load();
      title.focus(); // the button is gone, or another one is in its place
    });
    line.append(button);
    return line;
  }

  function say(words, tone = "calm") {
    status.className = `notice ${tone}`;
    tell(status, words);
  }

  function focusOn(id, selector) {
    list.querySelector(`[data-id="${CSS.escape(id)}"] ${selector}`)?.focus();
  }

  return {
    /** Show the passkeys of this session's person. Resolves when they are there, or the page says why not. */
    open(opened) {
      session = opened;
      held = [];
      list.replaceChildren(made("li", "holding-wait", "Looking up your passkeys…"));
      say("");
      tell(hint, "");
      return load();
    },
    /** Ask the service again, and say this. */
    async refresh(words = "") {
      await load();
      if (words) say(words, "good");
    },
    /** Forget everything. */
    close() {
      session = null;
      held = [];
      list.replaceChildren();
      say("");
      tell(hint, "");
    },
  };
}

function question(passkey) {
  const name = titleOf(passkey);
  return {
    title: `Remove ${name}?`,
    lead: [
      passkey.standing === "disabled" ? "It is disabled, and signs nobody in." : `${name} will no longer sign you in.`,
      passkey.synced ? "That holds for every device that it is synced to." : "",
      "This cannot be undone.",
      passkey.current ? "You signed in with it just now: you will be signed out here." : "",
    ].filter(Boolean).join(" "),
    yes: "Remove it",
    no: "Keep it",
    tone: "danger",
  };
}

function lastQuestion(passkey) {
  return {
    title: "Remove your last passkey?",
    lead: `${titleOf(passkey)} is the only passkey that you have. Without one you cannot sign in at all. If you want to replace it, add the new one first.`,
    sure: "I know that I will be signed out, and that only an operator can let me back in.",
    yes: "Remove my last passkey",
    no: "Keep it",
    tone: "danger",
  };
}

/** Where the passkey is. Device-bound is not this very device: it may be the one in a drawer. */
function kept({ synced, backedUp, transports }) {
  if (!synced) return transports.includes("internal") ? "On one device only" : "On one key only";
  return backedUp ? "Synced to your devices" : "Can be synced, but is on one device so far";
}

function emblem({ authenticator }) {
  const plain = made("span", "emblem");
  if (!authenticator.icon) return plain;
  const picture = made("img", "emblem");
  picture.alt = "";
  picture.width = picture.height = 40;
  picture.addEventListener("error", () => picture.replaceWith(plain), { once: true });
  picture.src = authenticator.icon;
  return picture;
}
