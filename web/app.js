/**
 * The page on which a person enrols, signs in, and looks after their passkeys. It decides what happens; how a ceremony runs is in
 * attempt.js and conduct.js, what is shown in views.js, passkeys.js and places.js, what failures mean in outcomes.js and browser_failures.js.
 *
 * Nothing is stored: ticket, person and session live in this module until the page goes away.
 */

import { attempt } from "./attempt.js";
import { canAutofill, createPasskey, obstacle, usePasskey } from "./authenticator.js";
import { createAutofill } from "./autofill.js";
import { begin, cancel } from "./ceremony.js";
import { needsSignIn } from "./credentials_api.js";
import { endingOf } from "./outcomes.js";
import { createPasskeys } from "./passkeys.js";
import { createPlaces } from "./places.js";
import { onPrf } from "./prf.js";
import { proving } from "./proof.js";
import { ask } from "./question.js";
import { call } from "./service.js";
import { signalRejected } from "./signals.js";
import { endUpgrade, leaveUpgrade, upgrade } from "./upgrade.js";
import * as views from "./views.js";

const WHERE = { platform: "with a passkey on this device", "cross-platform": "with a security key or another device" };
const ADDED = "Your new passkey is ready. From now on you can sign in with it, too.";
const ADDED_TO_GO_ON = "Your new passkey is ready. Sign out, and sign in with it: then everything is open to you again.";
const UPGRADED = "This browser has saved a passkey of its own: next time, you can sign in without the other device.";

const $ = (id) => document.getElementById(id);
const autofill = createAutofill({ onPicked: signInWithPicked });
const passkeys = createPasskeys({
  list: $("passkeys"),
  title: $("passkeys-title"),
  status: $("passkeys-status"),
  hint: $("passkeys-hint"),
  announce: views.announce,
  signInAgain,
  onGone: leave,
});
const places = createPlaces({
  list: $("places"),
  title: $("places-title"),
  status: $("places-status"),
  everywhere: $("sign-out-everywhere"),
  onGone: leave,
  onOver: signInAgain,
});

let ticket = takeTicket();
let autofillWorks = false;
let current = null; // {id, stop: AbortController} of the ceremony in progress
let session = null; // {id, verifier, person, ...}: the completed ceremony that says who is here, and how to prove it
const encrypts = new Map(); // credential id → whether it has the PRF, where that was asked

onPrf(({ credentialId, able }) => encrypts.set(credentialId, able));
wire();
autofillWorks = await canAutofill();
if (autofillWorks) $("account-hint").textContent = "Select this field, and your browser offers your passkeys. With a name, you are asked for a passkey of that account alone.";
openFirstView({ focus: false });
showCompany();

/** Read the ticket from the fragment and remove it from the address bar and the history: it is a secret. */
function takeTicket() {
  const found = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return found;
}

/** Offer the company's own account to who has no passkey yet, where it is set up. If nobody can tell, a link will do. */
async function showCompany() {
  const found = await call("GET", "/enrolment", { timeoutMs: 10_000 }).catch(() => null);
  $("company").hidden = !found?.document.accounts.length;
}

/** Show the first view: enrolment for whoever came with a link, else sign-in; or why neither is possible. */
function openFirstView({ focus }) {
  const unable = obstacle();
  if (unable) views.showEnding(endingOf("authentication", { error: unable }), { next: null }, { focus });
  else if (ticket) views.showEnrol({ focus });
  else openSignIn({ focus });
}

function openSignIn(how) {
  views.showSignIn(how);
  if (autofillWorks) autofill.arm();
}

function wire() {
  $("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    signIn();
  });
  $("enrol-start").addEventListener("click", enrol);
  $("enrol-leave").addEventListener("click", () => {
    ticket = null;
    openSignIn();
  });
  $("ceremony-cancel").addEventListener("click", () => current?.stop.abort());
  $("add-passkey").addEventListener("click", addPasskey);
  $("sign-out").addEventListener("click", () => leave("You are signed out."));
  addEventListener("hashchange", async () => {
    const found = takeTicket();
    if (!found || current) return;
    ticket = found;
    forget(); // a link is for whoever opens it
    await autofill.disarm().then(discard);
    openFirstView({ focus: true });
  });
  addEventListener("pagehide", () => {
    autofill.leave();
    leaveUpgrade();
    if (current?.id) cancel(current.id, { leaving: true }).catch(() => {}); // else it expires by itself
  });
  // Restored from the back/forward cache: what the page was waiting for is gone.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    forget();
    openFirstView({ focus: true });
  });
}

// --- What a person can do ----------------------------------------------------------------------------------------------

async function enrol() {
  const held = ticket;
  await run("registration", {
    start: () => begin("registration", { ticket: held }),
    ask: createPasskey,
    done: (ceremony, output) => {
      ticket = null;
      views.showSuccess({
        badge: "Done",
        title: "Your passkey is ready",
        lead: `It belongs to ${nameOf(output.person)}. From now on, this is all you need to sign in.`,
        facts: [["Passkey", views.shortId(output.credential_id)], ["Created", time(output.at)]],
        next: ["Sign in with it", signIn],
      });
    },
    repeat: () => (ticket ? enrol() : openSignIn()),
    home: ["Sign in instead", openSignIn],
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
    done: greet,
    repeat: signIn,
    home: ["Back", openSignIn],
  });
}

async function signInWithPicked(ceremony, answer) {
  await run("authentication", {
    start: async () => ceremony,
    ask: async () => answer,
    done: greet,
    repeat: signIn,
    home: ["Back", openSignIn],
  });
}

/** The session is too old for what the person wants: let them sign in, bring them back, and do it. */
async function signInAgain(purpose, act) {
  const yes = await ask({
    title: "Is it still you?",
    lead: `You signed in a while ago. To ${purpose}, sign in again: you come right back here.`,
    yes: "Sign in again",
    no: "Not now",
  });
  if (!yes || !session) return;
  const { id } = session.person;
  const attempt = () => run("authentication", {
    start: () => begin("authentication", { mediation: "modal", username: id }),
    ask: usePasskey,
    done: async (ceremony, output, attachment) => {
      await welcome(ceremony, output, attachment);
      if (output.person.id === id) act(); // else somebody else is here now
    },
    repeat: attempt,
    home: ["Back to your passkeys", comeBack],
  });
  await attempt();
}

async function addPasskey() {
  await run("registration", {
    start: () => begin("registration", {}, { headers: proving(session) }),
    ask: createPasskey,
    done: () => {
      comeBack();
      return passkeys.refresh(session.stepUp ? ADDED_TO_GO_ON : ADDED);
    },
    repeat: addPasskey,
    home: ["Back to your passkeys", comeBack],
    stale: () => {
      comeBack();
      signInAgain("add a passkey", addPasskey);
    },
  });
}

/** Somebody has come: show who, and let this browser keep a passkey of its own if they needed another device's. */
function greet(ceremony, output, attachment) {
  welcome(ceremony, output, attachment);
  if (attachment === "cross-platform") upgrade(session).then((made) => made && session && passkeys.refresh(UPGRADED));
}

/** Show who is signed in, and their passkeys. Resolves when these are there. */
function welcome(ceremony, output, attachment) {
  const { id, verifier } = ceremony;
  session = { id, verifier, person: output.person, stepUp: output.step_up === true, output, attachment };
  comeBack();
  places.open(session);
  return passkeys.open(session);
}

function comeBack() {
  const { person, stepUp, output, attachment } = session;
  const encryption = { true: "This passkey can encrypt on this device", false: "This passkey cannot encrypt" };
  views.showSignedIn({
    name: nameOf(person),
    stepUp,
    facts: [
      ["Account", person?.id],
      ["Signed in", [time(output.at), WHERE[attachment]].filter(Boolean).join(", ")],
      ["Encryption", encryption[encrypts.get(output.credential_id)]],
    ],
  });
}

/** Sign out. Nothing has to be told to the service: the session is in this module alone. */
function leave(note) {
  forget();
  // Credential Management L1 §2.3.3: after signing out, nothing may sign in again without being asked.
  navigator.credentials.preventSilentAccess?.().catch(() => {});
  openSignIn({ note });
  views.announce(note);
}

function forget() {
  session = null;
  endUpgrade();
  passkeys.close();
  places.close();
  views.forgetPerson();
}

// --- One ceremony -------------------------------------------------------------------------------------------------------

/**
 * Run one ceremony and show how it goes. `done` shows its success; an ending without offers `repeat` and `home`; `stale`, where
 * the start needs a session, is for one that the service wants renewed.
 */
async function run(kind, { start, ask: prompt, done, repeat, home, stale }) {
  if (current) return;
  const stop = new AbortController();
  current = { id: null, stop };
  try {
    const { ceremony, output, answer } = await attempt(kind, {
      start: async () => {
        await endUpgrade();
        return start();
      },
      prompt,
      signal: stop.signal,
      onStarted: (id) => (current.id = id),
    });
    current = null;
    if (output.outcome === "completed" && kind === "registration" && output.credential_id !== answer?.id) {
      if (session) passkeys.refresh();
      return end(endingOf(kind, { output: { ...output, outcome: "other_passkey" } }), { repeat, home });
    }
    if (output.outcome === "completed") return done(ceremony, output, answer?.authenticatorAttachment ?? "");
    if (output.outcome === "rejected" && kind === "authentication") signalRejected(ceremony);
    end(endingOf(kind, { output }), { repeat, home });
  } catch (error) {
    current = null;
    if (stale && needsSignIn(error)) return stale();
    const output = stop.signal.aborted ? { outcome: "canceled" } : null;
    const ending = endingOf(kind, output ? { output } : { error });
    if (ending.code === "page_failed") console.error(error);
    end(ending, { repeat, home });
  }
}

function end(ending, { repeat, home }) {
  if (["passkey_exists", "ticket_invalid", "other_passkey"].includes(ending.code)) ticket = null;
  const blocked = ["browser_unsupported", "browser_outdated", "insecure_context"].includes(ending.code);
  const onwards = {
    retry: ["Try again", repeat],
    home: session ? home : ["Go to sign-in", openSignIn],
    reload: ["Reload this page", () => location.reload()],
  }[ending.next];
  views.showEnding(ending, { next: blocked ? null : onwards, home: ending.next === "retry" ? home : null });
}

// --- Words ----------------------------------------------------------------------------------------------------------------

function nameOf(person) {
  return person?.display_name || person?.id || "you";
}

function time(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : at.toLocaleTimeString([], { timeStyle: "medium" });
}

function discard(ceremony) {
  if (ceremony) cancel(ceremony.id, { leaving: true }).catch(() => {});
}
