/**
 * The page on which a person signs in to an application (RFC 6749 §4.1). The service has judged the request and put what is
 * good of it into the document; this module starts the ceremony with it and takes the person back, whatever has come of it.
 *
 * Two proof keys: the page's own, by which it alone can answer the ceremony, and the application's, whose challenge came along
 * and by which it alone can redeem it. The code in the answer is the ceremony's id.
 */

import { attempt } from "./attempt.js";
import { canAutofill, obstacle, usePasskey } from "./authenticator.js";
import { createAutofill } from "./autofill.js";
import { begin, cancel } from "./ceremony.js";
import { fillFacts } from "./elements.js";
import { endingOf } from "./outcomes.js";
import { signalRejected } from "./signals.js";
import * as views from "./views.js";

const KIND = "authentication";
const FAULTS = {
  client_unknown: "The address that brought you here names no application that this service knows.",
  redirect_uri_unregistered: "The address that brought you here would send you on to a place that the application has not registered.",
};
const STEP_UP = {
  code: "step_up_required",
  badge: "One more step",
  title: "This passkey opens no applications any more",
  lead: "The service no longer trusts the kind of passkey that you have just used. Open “Your passkeys” below, add one on another device or key, then sign in with that one.",
  next: "retry",
  retryAfterSeconds: 0,
};
// What the application is told: OAuth has few words for it (RFC 6749 §4.1.2.1).
const ERRORS = { failed: "server_error", unavailable: "temporarily_unavailable", not_ready: "temporarily_unavailable", host_unreachable: "temporarily_unavailable", page_failed: "server_error" };

const $ = (id) => document.getElementById(id);
const request = JSON.parse(document.querySelector("meta[name=authorization]").content);
const autofill = createAutofill({ onPicked: (ceremony, answer) => signIn(async () => ceremony, async () => answer), body: request.start });

let autofillWorks = false;
let current = null; // {id, stop: AbortController} of the ceremony in progress

if (request.fault) showFault();
else await open();

/** Whose the request is, or where it leads, is in doubt: nothing here sends the person anywhere. */
function showFault() {
  views.showEnding(
    {
      code: request.fault,
      badge: "Not valid",
      title: "This sign-in cannot go on",
      lead: `${FAULTS[request.fault]} Nothing has happened. Go back to the application and start again; if it happens again, tell the people who run it.`,
      retryAfterSeconds: 0,
    },
    { next: null },
    { focus: false },
  );
}

async function open() {
  const { name, host, roles, start } = request;
  const hardware = start.acr_values && !start.acr_values.split(" ").includes("phr");
  $("sign-in-title").textContent = `Sign in to ${name}`;
  fillFacts($("sign-in-facts"), [
    ["It learns", roles ? "Who you are, how you signed in, and your roles" : "Who you are, and how you signed in"],
    ["It asks for", hardware ? "A security key, or a device, that is proven to keep its passkey in hardware" : ""],
    ["Takes you to", host],
  ]);
  $("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    signInByButton();
  });
  $("sign-in-decline").addEventListener("click", () => decline("access_denied"));
  $("ceremony-cancel").addEventListener("click", () => current?.stop.abort());
  addEventListener("pagehide", () => {
    autofill.leave();
    if (current?.id) cancel(current.id, { leaving: true }).catch(() => {}); // else it expires by itself
  });
  // Restored from the back/forward cache: what the page was waiting for is gone.
  addEventListener("pageshow", (event) => event.persisted && showFirst({ focus: true }));
  autofillWorks = await canAutofill();
  if (autofillWorks) $("account-hint").textContent = "Select this field, and your browser offers your passkeys. With a name, you are asked for a passkey of that account alone.";
  const unable = obstacle();
  if (unable) end(endingOf(KIND, { error: unable }), { focus: false });
  else showFirst({ focus: false });
}

function showFirst({ focus = true } = {}) {
  current = null;
  views.showSignIn({ focus, title: `Sign in to ${request.name}` });
  $("account").value = request.login_hint ?? "";
  if (autofillWorks) autofill.arm();
}

function signInByButton() {
  const username = $("account").value.trim();
  const held = autofill.disarm();
  const start = async () => {
    const ceremony = await held;
    if (ceremony && !username) return ceremony; // it serves the button too: one challenge, one entry in the audit
    if (ceremony) cancel(ceremony.id, { leaving: true }).catch(() => {}); // it asks for anybody's passkey
    return begin(KIND, { ...request.start, mediation: "modal", ...(username ? { username } : {}) });
  };
  return signIn(start, usePasskey);
}

async function signIn(start, prompt) {
  if (current) return;
  const stop = new AbortController();
  current = { id: null, stop };
  try {
    const { ceremony, output } = await attempt(KIND, { start, prompt, signal: stop.signal, onStarted: (id) => (current.id = id) });
    current = null;
    if (output.outcome === "completed") return output.step_up ? end(STEP_UP) : finish(ceremony);
    if (output.outcome === "rejected") signalRejected(ceremony);
    end(endingOf(KIND, { output }));
  } catch (error) {
    current = null;
    const ending = endingOf(KIND, stop.signal.aborted ? { output: { outcome: "canceled" } } : { error });
    if (ending.code === "page_failed") console.error(error);
    end(ending);
  }
}

function end(ending, { focus = true } = {}) {
  const back = [`Back to ${request.name}`, () => decline(ERRORS[ending.code] ?? "access_denied")];
  const next = { retry: ["Try again", showFirst], home: back, reload: ["Reload this page", () => location.reload()] }[ending.next];
  views.showEnding(ending, { next, home: next === back ? null : back }, { focus });
}

function finish({ id }) {
  const back = () => leave({ code: id });
  views.showSuccess({
    badge: "Signed in",
    title: `Back to ${request.name}`,
    lead: "You are signed in, and on your way back to the application.",
    facts: [],
    next: [`Go to ${request.name}`, back],
  });
  back();
}

async function decline(error) {
  autofill.leave();
  leave({ error });
}

/** Go where the answer is awaited: what the address has in its query stays. Nothing of this page stays in the history. */
function leave(answer) {
  const { redirect_uri: to, state, iss } = request;
  const query = new URLSearchParams({ ...answer, ...(state === null ? {} : { state }), iss });
  location.replace(`${to}${to.includes("?") ? "&" : "?"}${query}`);
}
