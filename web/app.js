/**
 * The page on which a person enrols and signs in. It decides which view is shown and what its buttons do; how a ceremony
 * runs is in conduct.js, what failures mean is in outcomes.js and browser_failures.js.
 *
 * Nothing is stored: ticket, person and outcome live in this module until the page goes away.
 */

import { canAutofill, createPasskey, obstacle, usePasskey } from "./authenticator.js";
import { createAutofill } from "./autofill.js";
import { begin, cancel } from "./ceremony.js";
import { conduct } from "./conduct.js";
import { countDown } from "./countdown.js";
import { endingOf } from "./outcomes.js";
import { createStages } from "./stages.js";

const VIEWS = ["sign-in", "enrol", "ceremony", "outcome", "signed-in"];
const TITLES = { "sign-in": "Sign in", enrol: "Create your passkey", ceremony: "In progress", "signed-in": "Signed in" };
const LEADS = {
  registration: {
    before: ["Getting ready", "The service is preparing a challenge for your device."],
    prompt: ["Follow your browser", "It asks where to keep the passkey, and for your fingerprint, face, screen lock or key."],
    after: ["Checking", "Your device has answered. The service verifies the new passkey."],
  },
  authentication: {
    before: ["Getting ready", "The service is preparing a challenge for your device."],
    prompt: ["Follow your browser", "It asks for your passkey, and for your fingerprint, face, screen lock or key."],
    after: ["Checking", "Your device has answered. The service verifies your passkey."],
  },
};

const $ = (id) => document.getElementById(id);
const stages = createStages($("stages"), announce);
const autofill = createAutofill({ onPicked: signInWithPicked });

let ticket = takeTicket();
let autofillWorks = false;
let current = null; // {id, stop: AbortController} of the ceremony in progress
let again = showSignIn; // what "Try again" does
let stopCountdown = () => {};

wire();
autofillWorks = await canAutofill();
if (autofillWorks) $("account-hint").textContent = "Select this field, and your browser offers your passkeys. With a name, you are asked for a passkey of that account alone.";
openFirstView({ focus: false });

/** Read the ticket from the fragment and remove it from the address bar and the history: it is a secret. */
function takeTicket() {
  const found = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return found;
}

/** Show the first view: enrolment for whoever came with a link, else sign-in; or why neither is possible. */
function openFirstView({ focus }) {
  const unable = obstacle();
  if (unable) showEnding("authentication", endingOf("authentication", { error: unable }), { focus });
  else if (ticket) showEnrol({ focus });
  else showSignIn({ focus });
}

function wire() {
  $("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    signIn();
  });
  $("enrol-start").addEventListener("click", enrol);
  $("enrol-leave").addEventListener("click", () => {
    ticket = null;
    showSignIn();
  });
  $("ceremony-cancel").addEventListener("click", () => current?.stop.abort());
  $("outcome-next").addEventListener("click", () => again());
  $("outcome-home").addEventListener("click", () => showSignIn());
  $("sign-out").addEventListener("click", signOut);
  addEventListener("hashchange", async () => {
    const found = takeTicket();
    if (!found || current) return;
    ticket = found;
    await autofill.disarm().then(discard);
    openFirstView({ focus: true });
  });
  addEventListener("pagehide", () => {
    autofill.leave();
    if (current?.id) cancel(current.id, { leaving: true }).catch(() => {}); // else it expires by itself
  });
  // Restored from the back/forward cache: what the page was waiting for is gone.
  addEventListener("pageshow", (event) => event.persisted && openFirstView({ focus: true }));
}

async function enrol() {
  const held = ticket;
  await run("registration", {
    start: () => begin("registration", { ticket: held }),
    ask: createPasskey,
    repeat: () => (ticket ? enrol() : showSignIn()),
  });
}

async function signIn() {
  const username = $("account").value.trim();
  const held = autofill.disarm();
  await run("authentication", {
    start: async () => {
      const ceremony = await held;
      if (username) discard(ceremony); // it asks for anybody's passkey
      else if (ceremony) return ceremony; // it serves the button too: one challenge, one entry in the audit
      return begin("authentication", username ? { mediation: "modal", username } : { mediation: "modal" });
    },
    ask: usePasskey,
    repeat: signIn,
  });
}

async function signInWithPicked(ceremony, answer) {
  await run("authentication", { start: async () => ceremony, ask: async () => answer, repeat: signIn });
}

/** Run one ceremony and show how it goes and ends. */
async function run(kind, { start, ask, repeat }) {
  if (current) return;
  again = repeat;
  const stop = new AbortController();
  current = { id: null, stop };
  let attachment = "";
  showCeremony(kind);
  try {
    const ceremony = await start();
    current.id = ceremony.id;
    showReference(ceremony.id);
    if (stop.signal.aborted) await cancel(ceremony.id).catch(() => {});
    stop.signal.throwIfAborted();
    showDeadline(ceremony.expiresAtMs);
    reach(kind, "awaiting_authenticator");
    const output = await conduct(ceremony, {
      ask: async (options, { signal }) => {
        const answer = await ask(options, { signal });
        attachment = answer.authenticatorAttachment ?? "";
        return answer;
      },
      signal: stop.signal,
      onStage: (stage) => reach(kind, stage),
      onConnection: showConnection,
    });
    current = null;
    if (output.outcome !== "completed") showEnding(kind, endingOf(kind, { output }));
    else if (kind === "registration") showEnrolled(output);
    else showSignedIn(output, attachment);
  } catch (error) {
    current = null;
    const output = stop.signal.aborted ? { outcome: "canceled" } : null;
    const ending = endingOf(kind, output ? { output } : { error });
    if (ending.code === "page_failed") console.error(error);
    showEnding(kind, ending);
  }
}

function signOut() {
  // Credential Management L1 §2.3.3: after signing out, nothing may sign in again without being asked.
  navigator.credentials.preventSilentAccess?.().catch(() => {});
  for (const id of ["signed-in-title", "signed-in-facts", "outcome-title", "outcome-lead", "outcome-facts"]) $(id).replaceChildren();
  showSignIn();
  announce("You are signed out.");
}

// --- Views ---------------------------------------------------------------------------------------------------------

function show(view, { focus = true, title = TITLES[view] } = {}) {
  stopCountdown();
  stopCountdown = () => {};
  for (const name of VIEWS) $(name).hidden = name !== view;
  $("thread").hidden = false;
  document.title = `${title} · Durable Passkeys`;
  // The heading takes the focus, so that a keyboard goes on from there and a screen reader reads what is new.
  if (focus) $(`${view}-title`).focus();
}

function showSignIn({ focus = true } = {}) {
  stages.reset("authentication");
  showReference(null);
  $("account").value = "";
  show("sign-in", { focus });
  if (autofillWorks) autofill.arm();
}

function showEnrol({ focus = true } = {}) {
  stages.reset("registration");
  showReference(null);
  show("enrol", { focus });
}

function showCeremony(kind) {
  stages.reset(kind);
  showReference(null);
  showConnection(true);
  show("ceremony");
  reach(kind, "admitting");
}

function reach(kind, stage) {
  const moment = ["admitting", "challenging"].includes(stage) ? "before" : stage === "awaiting_authenticator" ? "prompt" : "after";
  [$("ceremony-title").textContent, $("ceremony-lead").textContent] = LEADS[kind][moment];
  $("ceremony-actions").hidden = moment === "after"; // an answer that is given cannot be taken back
  if (moment === "after") stopCountdown();
  stages.reach(stage);
}

function showDeadline(endMs) {
  stopCountdown = countDown(endMs, { show: (left) => ($("deadline").textContent = `${left} left`) });
}

function showConnection(connected) {
  const notice = $("connection-lost");
  if (notice.hidden === connected) return;
  notice.hidden = connected;
  // A status region is read when its words change, so they come and go with it.
  notice.textContent = connected ? "" : "The connection is lost. Your attempt is safe: this page goes on as soon as the service answers.";
}

function showReference(id) {
  $("reference").hidden = id === null;
  $("reference-id").textContent = id ?? "";
}

function showEnrolled(output) {
  ticket = null;
  stages.complete();
  again = signIn;
  fillOutcome({
    badge: "Done",
    tone: "good",
    title: "Your passkey is ready",
    lead: `It belongs to ${nameOf(output.person)}. From now on, this is all you need to sign in.`,
    facts: [["Passkey", short(output.credential_id), "code"], ["Created", time(output.at)]],
    next: "Sign in with it",
    home: "",
    code: "",
  });
}

function showSignedIn(output, attachment) {
  stages.complete();
  $("signed-in-title").textContent = nameOf(output.person);
  const where = { platform: "On this device", "cross-platform": "On a security key or another device" }[attachment];
  fillFacts($("signed-in-facts"), [
    ["Account", output.person?.id],
    ["Passkey", short(output.credential_id), "code"],
    ["Stored", where],
    ["Signed in", time(output.at)],
  ]);
  show("signed-in");
}

function showEnding(kind, ending, { focus = true } = {}) {
  if (["passkey_exists", "ticket_invalid"].includes(ending.code)) ticket = null;
  const tone = ["canceled", "rate_limited", "expired"].includes(ending.code) ? "calm" : "bad";
  stages.stop(tone);
  const next = { retry: "Try again", home: "Go to sign-in", reload: "Reload this page" }[ending.next];
  if (ending.next === "home") again = showSignIn;
  if (ending.next === "reload") again = () => location.reload();
  const blocked = ["browser_unsupported", "browser_outdated", "insecure_context"].includes(ending.code);
  fillOutcome({
    ...ending,
    tone,
    facts: [],
    next: blocked ? "" : next,
    home: ending.next === "retry" ? (kind === "registration" ? "Sign in instead" : "Back") : "",
    focus,
  });
  $("thread").hidden = blocked;
  if (ending.retryAfterSeconds > 0) holdBack(ending.retryAfterSeconds);
}

/** Keep "Try again" back until the limiter admits again. It stays focusable: a disabled button would lose the focus. */
function holdBack(seconds) {
  const button = $("outcome-next");
  const line = $("outcome-countdown");
  const act = again;
  again = () => {};
  button.setAttribute("aria-disabled", "true");
  line.hidden = false;
  announce(`You can try again in ${seconds} seconds.`);
  stopCountdown = countDown(Date.now() + seconds * 1000, {
    show: (left) => (line.textContent = left),
    done: () => {
      again = act;
      line.hidden = true;
      button.removeAttribute("aria-disabled");
      announce("You can try again now.");
    },
  });
}

function fillOutcome({ badge, tone, title, lead, facts, next, home, code, focus = true }) {
  $("outcome-badge").textContent = badge;
  $("outcome-badge").className = `badge ${tone}`;
  $("outcome-title").textContent = title;
  $("outcome-lead").textContent = lead;
  fillFacts($("outcome-facts"), facts);
  $("outcome-countdown").hidden = true;
  $("outcome-next").removeAttribute("aria-disabled");
  label($("outcome-next"), next);
  label($("outcome-home"), home);
  $("outcome-code").textContent = code;
  $("outcome-code").parentElement.hidden = !code;
  show("outcome", { focus, title });
}

function label(button, words) {
  button.textContent = words;
  button.hidden = !words;
}

function fillFacts(list, facts) {
  list.replaceChildren();
  for (const [name, value, tag = "span"] of facts) {
    if (!value) continue;
    const row = list.appendChild(document.createElement("div"));
    row.appendChild(document.createElement("dt")).textContent = name;
    row.appendChild(document.createElement("dd")).appendChild(document.createElement(tag)).textContent = value;
  }
  list.hidden = list.childElementCount === 0;
}

function nameOf(person) {
  return person?.display_name || person?.id || "you";
}

/** Enough of a credential id to tell one from another, and to find it in the audit trail. */
function short(credentialId) {
  return credentialId?.length > 16 ? `${credentialId.slice(0, 16)}…` : credentialId;
}

function time(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : at.toLocaleTimeString([], { timeStyle: "medium" });
}

function announce(sentence) {
  $("announcer").textContent = sentence;
}

function discard(ceremony) {
  if (ceremony) cancel(ceremony.id, { leaving: true }).catch(() => {});
}
