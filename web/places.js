/**
 * "Where you are signed in": a person's sessions with applications, and ending one or all. What is shown is what the service said
 * last. To end takes no fresh sign-in; whoever has lost a device is in a hurry.
 */

import { instant, made, tell, waiting } from "./elements.js";
import { ask } from "./question.js";
import { endEverySession, endSession, listSessions } from "./sessions_api.js";

const EVERYWHERE = {
  title: "Sign out everywhere?",
  lead: "Every application signs you out within a few minutes, on all your devices, and so does this page, wherever it is open. Your passkeys stay: you sign in again with one of them.",
  yes: "Sign out everywhere",
  no: "Cancel",
  tone: "danger",
};

/**
 * @param {{list: HTMLElement, title: HTMLElement, status: HTMLElement, everywhere: HTMLButtonElement,
 *          onGone: (sentence: string) => void, onOver: (purpose: string, act: () => void) => void}} page
 *   `onGone`: the person is signed out here, too; `onOver`: this page's own session is over, ask them to sign in, then act
 */
export function createPlaces({ list, title, status, everywhere, onGone, onOver }) {
  let session = null;

  everywhere.addEventListener("click", async () => {
    if (await ask(EVERYWHERE)) await leaveAll();
  });

  async function load() {
    const mine = session;
    list.setAttribute("aria-busy", "true");
    try {
      const { sessions } = await listSessions(mine);
      if (mine === session) draw(sessions);
    } catch (error) {
      if (mine !== session) return;
      list.replaceChildren(again());
      if (!error.needsSignIn) say(words(error), "bad"); // the list above asks for a sign-in already
    } finally {
      list.removeAttribute("aria-busy");
    }
  }

  async function leaveOne(place) {
    const mine = session;
    say("");
    try {
      const { sessions } = await endSession(mine, place.id);
      if (mine !== session) return;
      draw(sessions);
      title.focus();
      say(`You are signed out of ${place.application.name}. It can take a few minutes until it notices.`, "good");
    } catch (error) {
      if (mine !== session) return;
      if (error.needsSignIn) return void onOver("sign out there", () => leaveOne(place));
      if (error.code === "session_unknown") await load();
      say(words(error), error.code === "session_unknown" ? "calm" : "bad");
    }
  }

  async function leaveAll() {
    const mine = session;
    say("");
    try {
      await endEverySession(mine);
      if (mine === session) onGone("You are signed out everywhere. Applications notice within a few minutes.");
    } catch (error) {
      if (mine !== session) return;
      if (error.needsSignIn) return void onOver("sign out everywhere", leaveAll);
      say(words(error), "bad");
    }
  }

  function draw(sessions) {
    const none = made("li", "holding-wait", "You are signed in to no application.");
    list.replaceChildren(...(sessions.length ? sessions.map((place) => drawPlace(place, { words: "Sign out", act: () => leaveOne(place) })) : [none]));
  }

  /** In place of a list that could not be had. */
  function again() {
    const line = made("li", "holding-wait");
    const button = made("button", "secondary", "Try again");
    button.type = "button";
    button.append(made("span", "visually-hidden", " to see where you are signed in"));
    button.addEventListener("click", async () => {
      say("");
      await load();
      title.focus(); // the button is gone, or another one is in its place
    });
    line.append(button);
    return line;
  }

  function say(sentence, tone = "calm") {
    status.className = `notice ${tone}`;
    tell(status, sentence);
  }

  return {
    /** Show where this session's person is signed in. Resolves when it is there, or the page says why not. */
    open(opened) {
      session = opened;
      say("");
      list.replaceChildren(made("li", "holding-wait", "Looking up where you are signed in…"));
      return load();
    },
    /** Forget everything. */
    close() {
      session = null;
      list.replaceChildren();
      say("");
    },
  };
}

/** One session in a list: which application, since when, by which passkey, until when. */
export function drawPlace({ id, application, signedInAt, lastUsedAt, expiresAt, passkey, current }, { words: label, act }) {
  const item = made("li", "visit");
  item.dataset.id = id;
  const head = item.appendChild(made("div", "holding-head"));
  head.append(made("h3", "", application.name));
  if (current) head.append(made("span", "badge good", "From this sign-in"));
  const signedIn = made("span", "", "Signed in ");
  signedIn.append(instant(signedInAt), passkey.name ? `, with ${passkey.name}` : "");
  const used = made("span", "", "Last used ");
  used.append(instant(lastUsedAt));
  const ends = made("span", "", "Ends ");
  ends.append(instant(expiresAt), ", unless it is used");
  for (const facts of [[signedIn], [used, " ", ends]]) item.appendChild(made("p", "holding-facts")).append(...facts);
  const actions = item.appendChild(made("div", "holding-actions"));
  const button = actions.appendChild(made("button", "quiet", label));
  button.type = "button";
  button.append(made("span", "visually-hidden", ` of ${application.name}`)); // read aloud, each button is another
  button.addEventListener("click", act);
  return item;
}

function words(error) {
  if (error.code === "session_unknown") return "You are signed out there already.";
  if (error.code === "host_unreachable") return "The service does not answer. Check that you are online, then try again.";
  if (error.code === "rate_limited") return `Too many changes in a short time. Try again in ${waiting(error.retryAfterSeconds)}.`;
  return error.detail || "That did not work. Try again in a minute.";
}
