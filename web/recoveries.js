/**
 * Recovery on the operators' page, from both sides. Who started one waits for the other operator and takes the ticket; who was sent
 * the link sees what it is about, and confirms it with a passkey of their own. For that, the link is enough: no key, no session.
 */

import { BrowserFailure } from "./browser_failures.js";
import { usePasskey } from "./authenticator.js";
import { begin, cancel, join, read, respond } from "./ceremony.js";
import { watch } from "./conduct.js";
import { countDown } from "./countdown.js";
import { fillFacts, tell } from "./elements.js";
import { explained, operating, takeTicket } from "./operations_api.js";
import { endingOf } from "./outcomes.js";

const KIND = "recovery";
const TAG = "durable-passkeys recovery v1\0";
const NONCE_BYTES = 32;

const $ = (id) => document.getElementById(id);

/** @param {{show: (title: string) => void, announce: (sentence: string) => void, operator: object, key: () => string, onLeave: () => void}} page */
export function createRecoveries({ show, announce, operator, key, onLeave }) {
  let started = null; // {id, verifier, details, ticket?} of the recovery that this page has started: the only way to its ticket
  let open = null; // {ceremony, stop} of the recovery on the screen
  let primary = () => {};
  let secondary = () => {};
  let stopCountdown = () => {};

  $("recovery-primary").addEventListener("click", () => primary());
  $("recovery-secondary").addEventListener("click", () => secondary());
  $("handover-copy").addEventListener("click", copy);

  /** Start one in the operator's name; its id, or undefined where the operator would not sign in. */
  function start(person, reason) {
    return operator.acting("start a recovery", async (session) => {
      const headers = operating(key(), session);
      const { id, verifier } = await begin(KIND, { person, reason }, { headers }).catch((error) => Promise.reject(explained(error)));
      started = { id, verifier, details: { person, reason, display_name: person, started_by: session.person.id } };
      return id;
    });
  }

  /** Show the recovery with this id: the waiting side for whoever started it here, else the confirming one. */
  async function enter(id) {
    leave();
    const mine = { stop: new AbortController(), ceremony: null };
    open = mine;
    if (started?.id === id && started.ticket) return handOver(started.ticket, started.details);
    try {
      const { ceremony, details, output } = await join(KIND, id);
      if (open !== mine) return;
      mine.ceremony = ceremony;
      if (output) return ended(mine, started?.id === id ? started.details : null, output);
      if (started?.id !== id) return await confirming(mine, details);
      Object.assign(started, { details });
      await waiting(mine, details);
    } catch (error) {
      if (!mine.stop.signal.aborted) failed(endingOf(KIND, { error }));
    }
  }

  function leave() {
    open?.stop.abort();
    open = null;
    stopCountdown();
  }

  // --- Who started it ---------------------------------------------------------------------------------------------------

  async function waiting(mine, details) {
    draw({
      badge: ["Waiting for another operator", "running"],
      title: `Recovery of ${details.display_name}`,
      lead: "Send this link to another operator. It lets nobody in: they see what you see here, and confirm it with a passkey of their own. Keep this page open, because only it can take the ticket.",
      details,
      handover: ["Link for the other operator", `${location.origin}/operations#recovery=${mine.ceremony.id}`],
      secondary: ["Cancel this recovery", () => withdraw(mine)],
      deadline: mine.ceremony.expiresAtMs,
    });
    await follow(mine, details);
  }

  function confirmed(mine, details, output) {
    draw({
      badge: ["Confirmed", "good"],
      title: `Recovery of ${details.display_name}`,
      lead: `${output.person.display_name} has confirmed it. The ticket is shown once: take it when you can give it to ${details.display_name}.`,
      details,
      primary: ["Show the ticket", () => ticket(mine, details)],
      secondary: ["Not now", onLeave],
    });
    announce("The recovery is confirmed.");
  }

  async function ticket(mine, details) {
    say("");
    primary = () => {}; // once: a second request would be told that the ticket was shown
    try {
      const taken = await operator.acting("take the ticket", (session) => takeTicket(key(), session, started));
      if (taken) started.ticket = taken; // whoever leaves now and comes back finds it
      if (open !== mine) return;
      if (taken) handOver(taken, details);
      else confirmed(mine, details, mine.output);
    } catch (error) {
      if (open !== mine) return;
      confirmed(mine, details, mine.output);
      say(error.message);
    }
  }

  function handOver({ link, expiresAt }, details) {
    draw({
      badge: ["Ticket", "good"],
      title: `A new start for ${details.display_name}`,
      lead: `With this link, ${details.display_name} creates a new passkey. Give it to them yourself, face to face or on the phone: whoever has it can enrol in their name. It works once, and is not shown again.`,
      details,
      facts: [["Good until", new Date(expiresAt).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })]],
      handover: ["Enrolment link", link],
      secondary: ["Done", () => {
        started = null;
        onLeave();
      }],
    });
  }

  // --- Who confirms it --------------------------------------------------------------------------------------------------

  async function confirming(mine, details) {
    draw({
      badge: ["Waiting for you", "running"],
      title: "Confirm a recovery",
      lead: `${details.started_by} asks you to let ${details.display_name} create a new passkey. Confirm it only if you know, from themselves and not from this page, that they have lost theirs.`,
      details,
      primary: ["Confirm with your passkey", () => confirm(mine, details)],
      secondary: ["Refuse", () => withdraw(mine)],
      deadline: mine.ceremony.expiresAtMs,
    });
    await follow(mine, details);
  }

  async function confirm(mine, details) {
    const { id, publicKey } = mine.ceremony;
    say("");
    try {
      // What is signed is what is shown: the challenge commits to the details.
      if (!(await commits(publicKey.challenge, details))) return say("This recovery is not about what it shows. Do not confirm it, and tell whoever runs this service.");
      const answer = await usePasskey(publicKey, { signal: mine.stop.signal });
      const { output } = await respond(mine.ceremony, answer, { signal: mine.stop.signal }).catch((error) =>
        error.code === "ceremony_finished" ? read(id, { waitSeconds: 0 }) : Promise.reject(error),
      );
      if (output) ended(mine, details, output);
    } catch (error) {
      if (open !== mine) return;
      const { title, lead } = endingOf(KIND, { error });
      // The browser's prompt was closed, or nobody answered: nothing is lost, the recovery still waits.
      say(error instanceof BrowserFailure ? `${title}. ${lead}` : explained(error).message);
    }
  }

  // --- Both ---------------------------------------------------------------------------------------------------------------

  async function follow(mine, details) {
    const output = await watch(mine.ceremony, {
      signal: mine.stop.signal,
      onStage: () => {},
      onConnection: (connected) => open === mine && say(connected ? "" : "The connection is lost. The recovery is safe: this page goes on as soon as the service answers."),
    });
    ended(mine, details, output);
  }

  function ended(mine, details, output) {
    if (open !== mine || mine.over) return;
    mine.over = true;
    mine.output = output;
    mine.stop.abort();
    const own = started?.id === mine.ceremony.id;
    if (output.outcome !== "completed") return failed(endingOf(KIND, { output }), details);
    if (own) return confirmed(mine, details, output);
    draw({
      badge: ["Confirmed", "good"],
      title: "The recovery is confirmed",
      lead: "Whoever started it can take the ticket now. There is nothing more for you to do.",
      details,
    });
  }

  async function withdraw(mine) {
    say("");
    try {
      const { output } = await cancel(mine.ceremony.id);
      if (output) ended(mine, null, output);
    } catch (error) {
      if (open === mine && error.code !== "ceremony_finished") say(explained(error).message); // else the watch tells how it ended
    }
  }

  function failed({ badge, title, lead, code }, details = null) {
    draw({
      badge: [badge, ["canceled", "expired", "rate_limited"].includes(code) ? "calm" : "bad"],
      title,
      lead,
      details,
      secondary: key() ? ["Back to people", onLeave] : undefined,
    });
  }

  function draw({ badge: [state, tone], title, lead, details, facts = [], handover = null, primary: first, secondary: second, deadline = 0 }) {
    stopCountdown();
    stopCountdown = deadline ? countDown(deadline, { show: (left) => ($("recovery-deadline").textContent = `${left} left`) }) : () => {};
    $("recovery-deadline").hidden = !deadline;
    $("recovery-badge").className = `badge ${tone}`;
    $("recovery-badge").textContent = state;
    $("recovery-title").textContent = title;
    $("recovery-lead").textContent = lead;
    fillFacts($("recovery-facts"), details ? [
      ["Person", `${details.display_name} (${details.person})`],
      ["Reason", details.reason],
      ["Started by", details.started_by],
      ...facts,
    ] : []);
    $("handover").hidden = !handover;
    [$("handover-label").textContent, $("handover-link").value] = handover ?? ["Link", ""];
    $("handover-copy").textContent = "Copy";
    primary = label($("recovery-primary"), first);
    secondary = label($("recovery-secondary"), second);
    $("recovery-actions").hidden = !first && !second;
    say("");
    show(title);
  }

  function label(button, [words, act] = ["", () => {}]) {
    button.textContent = words;
    button.hidden = !words;
    return act;
  }

  async function copy() {
    $("handover-link").select();
    try {
      await navigator.clipboard.writeText($("handover-link").value);
      $("handover-copy").textContent = "Copied";
      announce("Copied.");
    } catch {
      announce("The link is selected: copy it with your keyboard."); // a browser that does not let pages write there
    }
  }

  function say(words) {
    tell($("recovery-error"), words);
  }

  return {
    start,
    enter,
    leave,
    /** The recovery that this page has started and is not done with, or null. */
    get started() {
      return started;
    },
    /** Forget what was started, and what is shown. */
    forget() {
      leave();
      started = null;
      for (const id of ["recovery-title", "recovery-lead", "recovery-facts"]) $(id).replaceChildren();
      $("handover-link").value = "";
    },
  };
}

/** Whether the challenge commits to these details: nonce ‖ SHA-256(tag ‖ nonce ‖ details in the canonical form of RFC 8785). */
async function commits(challenge, { display_name, person, reason, started_by }) {
  const given = Uint8Array.from(atob(challenge.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const nonce = given.slice(0, NONCE_BYTES);
  const encode = (text) => new TextEncoder().encode(text);
  // RFC 8785 §3.2.2.2, §3.2.3: texts as JSON.stringify writes them, members in the order of their names.
  const signed = [encode(TAG), nonce, encode(JSON.stringify({ display_name, person, reason, started_by }))];
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(signed).arrayBuffer()));
  return given.length === NONCE_BYTES + digest.length && digest.every((byte, index) => byte === given[NONCE_BYTES + index]);
}
