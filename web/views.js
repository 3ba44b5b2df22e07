/** The views of the pages on which somebody signs in: which one is shown, and what stands in it. What happens is decided in app.js and authorize.js. */

import { countDown } from "./countdown.js";
import { fillFacts, made, tell } from "./elements.js";
import { createStages } from "./stages.js";

const TITLES = { "sign-in": "Sign in", choose: "Create your passkey", enrol: "Create your passkey", ceremony: "In progress", "signed-in": "Signed in" };
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
const CALM = ["canceled", "rate_limited", "expired"];

const $ = (id) => document.getElementById(id);
const VIEWS = ["sign-in", "choose", "enrol", "ceremony", "outcome", "signed-in"].filter((view) => $(view)); // a page need not have all
const stages = createStages($("stages"), announce);

let stopCountdown = () => {};
let next = () => {}; // what the buttons of the outcome do
let home = () => {};

$("outcome-next").addEventListener("click", () => next());
$("outcome-home").addEventListener("click", () => home());

export function announce(sentence) {
  $("announcer").textContent = sentence;
}

/** `note`: what has just happened, where the person may not have seen it. `title`: of the document. */
export function showSignIn({ focus = true, note = "", title } = {}) {
  stages.reset("authentication");
  showReference(null);
  $("account").value = "";
  tell($("sign-in-note"), note);
  show("sign-in", { focus, title });
}

export function showChoice({ focus = true } = {}) {
  stages.reset("registration");
  showReference(null);
  show("choose", { focus });
}

export function showEnrol({ focus = true } = {}) {
  stages.reset("registration");
  showReference(null);
  show("enrol", { focus });
}

export function showCeremony(kind) {
  stages.reset(kind);
  showReference(null);
  showConnection(true);
  show("ceremony");
  showStage(kind, "admitting");
}

export function showStage(kind, stage) {
  const moment = ["admitting", "challenging"].includes(stage) ? "before" : stage === "awaiting_authenticator" ? "prompt" : "after";
  [$("ceremony-title").textContent, $("ceremony-lead").textContent] = LEADS[kind][moment];
  $("ceremony-actions").hidden = moment === "after"; // an answer that is given cannot be taken back
  if (moment === "after") stopCountdown();
  stages.reach(stage);
}

export function showDeadline(endMs) {
  stopCountdown = countDown(endMs, { show: (left) => ($("deadline").textContent = `${left} left`) });
}

export function showConnection(connected) {
  if ($("connection-lost").hidden === connected) return;
  tell($("connection-lost"), connected ? "" : "The connection is lost. Your attempt is safe: this page goes on as soon as the service answers.");
}

export function showReference(id) {
  $("reference").hidden = id === null;
  $("reference-id").textContent = id ?? "";
}

/** Who is signed in. `facts`: rows; a session that is to be stepped up has none, and is told so. */
export function showSignedIn({ name, stepUp, facts, focus = true }) {
  stages.complete();
  $("signed-in-badge").textContent = stepUp ? "One more step" : "Signed in";
  $("signed-in-badge").className = `badge ${stepUp ? "warn" : "good"}`;
  $("signed-in-title").textContent = name;
  $("step-up").hidden = !stepUp;
  $("add-passkey").className = stepUp ? "primary" : "secondary";
  fillFacts($("signed-in-facts"), stepUp ? [] : facts);
  show("signed-in", { focus });
}

/** Leave nothing of the person in the page. */
export function forgetPerson() {
  for (const id of ["signed-in-title", "signed-in-facts", "outcome-title", "outcome-lead", "outcome-facts"]) $(id).replaceChildren();
}

/** A success. @param {{badge, title, lead, facts, next: [string, () => void]}} told */
export function showSuccess(told) {
  stages.complete();
  showOutcome({ ...told, tone: "good" });
}

/**
 * An ending of outcomes.js. `actions.next`: [words, act] of the button that goes on, null where nothing can be done;
 * `actions.home`: of the one that does not try again.
 */
export function showEnding(ending, actions, { focus = true } = {}) {
  const tone = CALM.includes(ending.code) ? "calm" : "bad";
  stages.stop(tone);
  showOutcome({ ...ending, ...actions, tone, focus });
  $("thread").hidden = !actions.next;
  if (ending.retryAfterSeconds > 0) holdBack(ending.retryAfterSeconds);
}

function showOutcome({ badge, tone, title, lead, facts = [], next: onwards, home: homewards = null, code = "", focus = true }) {
  $("outcome-badge").textContent = badge;
  $("outcome-badge").className = `badge ${tone}`;
  $("outcome-title").textContent = title;
  $("outcome-lead").textContent = lead;
  fillFacts($("outcome-facts"), facts);
  $("outcome-countdown").hidden = true;
  $("outcome-next").removeAttribute("aria-disabled");
  next = label($("outcome-next"), onwards);
  home = label($("outcome-home"), homewards);
  $("outcome-code").textContent = code;
  $("outcome-code").parentElement.hidden = !code;
  show("outcome", { focus, title });
}

/** Keep "Try again" back until the limiter admits again. It stays focusable: a disabled button would lose the focus. */
function holdBack(seconds) {
  const button = $("outcome-next");
  const line = $("outcome-countdown");
  const act = next;
  next = () => {};
  button.setAttribute("aria-disabled", "true");
  line.hidden = false;
  announce(`You can try again in ${seconds} seconds.`);
  stopCountdown = countDown(Date.now() + seconds * 1000, {
    show: (left) => (line.textContent = left),
    done: () => {
      next = act;
      line.hidden = true;
      button.removeAttribute("aria-disabled");
      announce("You can try again now.");
    },
  });
}

function show(view, { focus = true, title = TITLES[view] } = {}) {
  stopCountdown();
  stopCountdown = () => {};
  for (const name of VIEWS) $(name).hidden = name !== view;
  $("thread").hidden = false;
  document.title = `${title} · Durable Passkeys`;
  // The heading takes the focus, so that a keyboard goes on from there and a screen reader reads what is new.
  if (focus) $(`${view}-title`).focus();
}

function label(button, action) {
  const [words, act] = action ?? ["", () => {}];
  button.textContent = words;
  button.hidden = !words;
  return act;
}

/** Enough of a credential id to tell one from another, and to find it in the audit trail. */
export function shortId(credentialId) {
  return made("code", "", credentialId?.length > 16 ? `${credentialId.slice(0, 16)}…` : credentialId);
}
