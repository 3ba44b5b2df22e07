/**
 * The page on which a person with a company account creates their first passkey: a login there (company.js), then a registration
 * here. The token that comes of the login lives in this module, and is shown to the service once.
 */

import { attempt } from "./attempt.js";
import { createPasskey, obstacle } from "./authenticator.js";
import { begin, cancel } from "./ceremony.js";
import { answerIn, demandsOf, leaveFor, LoginFailure, tokenFor } from "./company.js";
import { made } from "./elements.js";
import { endingOf } from "./outcomes.js";
import * as views from "./views.js";

const KIND = "registration";
const AGAIN = "Sign in with your company account again: nothing has changed.";
const FAILURES = {
  login_refused: ["Not signed in", "Your company's sign-in was not completed", "It may have been cancelled, or your account may not use this service. Try again, or ask the people who look after your account."],
  login_not_ours: ["Not expected", "This page did not ask for that", "You came here with the answer to another sign-in than the one that began in this tab. Start again from here, and finish in the same tab."],
  login_late: ["Expired", "That took too long", AGAIN],
  login_failed: ["No answer", "Your company's sign-in could not be completed", "Its answer did not arrive, or could not be used. Try again in a minute."],
  token_invalid: ["Not accepted", "Your company's sign-in was not accepted here", `It has been used already, or is not meant for this service. ${AGAIN}`],
  token_stale: ["Sign in anew", "Your sign-in is too long ago, or was not strong enough", "To create a passkey, sign in with your company account once more. It may ask you for more than before."],
  token_scope_insufficient: ["Not allowed", "Your company account may not create a passkey here", "Ask the people who look after your account."],
  identity_unknown: ["Not known", "Nobody here is known by your company account", "Ask the people who look after your account: they can tell this service who you are."],
};
const NOT_SET_UP = { code: "page_unknown", badge: "Not here", title: "There is no company account to use here", lead: "Ask for an enrolment link instead, or sign in with a passkey that you have.", retryAfterSeconds: 0 };

const $ = (id) => document.getElementById(id);
const accounts = JSON.parse(document.querySelector("meta[name=accounts]").content);

let account = null; // who vouches for the person: one of `accounts`
let token = null; // by which the service knows them, until it has seen it
let current = null; // {id, stop: AbortController} of the ceremony in progress

wire();
await open();

function wire() {
  $("accounts").append(
    ...accounts.map((one) => {
      const button = made("button", "primary", `Continue with ${one.label}`);
      button.type = "button";
      button.addEventListener("click", () => leaveFor(one));
      return button;
    }),
  );
  $("enrol-start").addEventListener("click", enrol);
  $("enrol-leave").addEventListener("click", toSignIn);
  $("ceremony-cancel").addEventListener("click", () => current?.stop.abort());
  addEventListener("pagehide", () => current?.id && cancel(current.id, { leaving: true }).catch(() => {}));
  // Restored from the back/forward cache: a token that was here belongs to a page that is gone.
  addEventListener("pageshow", (event) => event.persisted && isUsable() && choose());
}

/** Whether anybody can do anything here; if not, that is said. */
function isUsable() {
  const unable = obstacle();
  if (unable) end(endingOf(KIND, { error: unable }), { focus: false });
  else if (!accounts.length) views.showEnding(NOT_SET_UP, { next: ["Go to sign-in", toSignIn] }, { focus: false });
  return !unable && accounts.length > 0;
}

async function open() {
  if (!isUsable()) return;
  try {
    const answer = answerIn(accounts);
    if (!answer) return views.showChoice({ focus: false });
    account = answer.account;
    token = await tokenFor(answer);
    $("enrol-account").textContent = account.label;
    views.showEnrol();
  } catch (error) {
    end(failed(error));
  }
}

async function enrol() {
  if (current || !token) return;
  const stop = new AbortController();
  current = { id: null, stop };
  const shown = token;
  try {
    const { output, answer } = await attempt(KIND, {
      start: () => begin(KIND, { issuer: account.issuer }, { headers: { Authorization: `Bearer ${shown}` } }),
      prompt: createPasskey,
      signal: stop.signal,
      onStarted: (id) => (current.id = id),
    });
    current = null;
    if (output.outcome !== "completed") return end(endingOf(KIND, { output }));
    token = null;
    if (output.credential_id !== answer?.id) return end(endingOf(KIND, { output: { ...output, outcome: "other_passkey" } }));
    views.showSuccess({
      badge: "Done",
      title: "Your passkey is ready",
      lead: `It belongs to ${output.person.display_name || output.person.id}. From now on, this is all you need to sign in.`,
      facts: [["Passkey", views.shortId(output.credential_id)]],
      next: ["Sign in with it", toSignIn],
    });
  } catch (error) {
    current = null;
    end(stop.signal.aborted ? endingOf(KIND, { output: { outcome: "canceled" } }) : failed(error), { demands: demandsAfter(error) });
  }
}

/** What the next login must be. A provider that remembers the wrong account must ask for one; `login` is what all of them know. */
function demandsAfter({ code, challenge }) {
  return code === "identity_unknown" ? { prompt: "login" } : demandsOf(challenge ?? "");
}

/** The words for what was thrown. */
function failed(error) {
  const words = FAILURES[error?.code];
  if (!words) {
    const ending = endingOf(KIND, { error });
    if (ending.code === "page_failed") console.error(error);
    return ending;
  }
  const [badge, title, lead] = words;
  const said = error instanceof LoginFailure && error.said ? [["It said", error.said]] : [];
  return { code: error.code, badge, title, lead, facts: said, next: "again", retryAfterSeconds: 0 };
}

/** `demands`: what the next login there must be. */
function end(ending, { focus = true, demands = {} } = {}) {
  const anew = account ? ["Sign in again", () => leaveFor(account, demands)] : ["Start again", choose];
  const next = {
    retry: token ? ["Try again", enrol] : anew,
    again: anew,
    home: ["Go to sign-in", toSignIn],
    reload: ["Reload this page", () => location.reload()],
  }[ending.next];
  if (ending.next === "again") token = null;
  views.showEnding(ending, { next, home: ending.next === "home" ? null : ["Go to sign-in", toSignIn] }, { focus });
}

function choose() {
  [account, token, current] = [null, null, null];
  views.showChoice();
}

function toSignIn() {
  token = null;
  location.assign("/");
}
