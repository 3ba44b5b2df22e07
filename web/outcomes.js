/**
 * What a person is told when a ceremony ends without success: one table from the service's codes to plain words.
 * The browser's own failures are in browser_failures.js.
 *
 * `next`: "retry" repeats what was tried, "home" goes to the sign-in page, "reload" loads the page anew.
 */

import { BrowserFailure } from "./browser_failures.js";

const ENDINGS = {
  expired: {
    badge: "Expired",
    title: "Time ran out",
    lead: {
      default: "Nobody answered the prompt in time. Nothing has changed; start again when you are ready.",
      recovery: "Nobody confirmed this recovery in time. Nothing has changed; it can be started again.",
    },
    next: "retry",
  },
  canceled: {
    badge: "Cancelled",
    title: { default: "You cancelled", recovery: "The recovery was cancelled" },
    lead: { default: "Nothing has changed. Start again whenever you like.", recovery: "Nothing has changed. It can be started again." },
    next: "retry",
  },
  rate_limited: {
    badge: "Please wait",
    title: "Too many attempts",
    lead: "To keep accounts safe, attempts are limited. Come back when the time below is up.",
    next: "retry",
  },
  rejected: {
    badge: "Not accepted",
    title: "That passkey was not accepted",
    lead: {
      registration: "The new passkey could not be verified, so it was not stored. Try again, or use another device.",
      authentication: "It could not be verified: it may have been removed, or belong to another account. Try again with another passkey, or ask for a new enrolment link.",
      recovery: "The passkey could not be verified, so this recovery is over. Whoever started it can start another one.",
    },
    next: "retry",
  },
  refused: {
    badge: "Not allowed",
    title: { default: "This account cannot be used now", recovery: "The recovery was not confirmed" },
    lead: {
      registration: "The passkey was not stored. The account may be switched off, or the link was used meanwhile. Ask whoever sent you the link.",
      authentication: "Your passkey is fine, but the account may not sign in at present. Ask the people who look after your account.",
      recovery: "It takes an operator who is neither the one who started it nor the person it is for. It is over; whoever started it can start another one.",
    },
    next: "home",
  },
  failed: {
    badge: "Our fault",
    title: "Something broke on our side",
    lead: "A part of the service did not do its work. Try again in a minute; if it happens again, report the reference.",
    next: "retry",
  },
  ticket_invalid: {
    badge: "Link not valid",
    title: "This link no longer works",
    lead: "It was used already, has expired, or was cut short. Ask for a new enrolment link.",
    next: "home",
  },
  other_passkey: {
    badge: "Not yours",
    title: "Somebody else's passkey was registered",
    lead: "The service has stored a passkey that was not made here: somebody has answered in your place, and could now sign in as you. Tell the people who look after your account at once, and give them the reference below, so that they disable it.",
    next: "home",
  },
  host_unreachable: {
    badge: "No connection",
    title: "The service does not answer",
    lead: "Check that you are online. If you are, the service may be restarting: try again in a minute.",
    next: "retry",
  },
  ceremony_unknown: {
    badge: "Gone",
    title: { default: "The service no longer knows this attempt", recovery: "There is no such recovery" },
    lead: { default: "Start again.", recovery: "The link may have been cut short. Ask for it again." },
    next: "retry",
  },
  response_malformed: {
    badge: "Not understood",
    title: "The service could not read the answer",
    lead: "Your browser or a password extension sent something unexpected. Try again with the extension switched off, or in another browser.",
    next: "retry",
  },
  page_failed: {
    badge: "Our fault",
    title: "This page stopped working",
    lead: "Reload it and try again.",
    next: "reload",
  },
};
for (const code of ["unavailable", "not_ready"]) ENDINGS[code] = ENDINGS.failed;

/**
 * The words for an output that is not `completed`, or for what was thrown.
 * @returns {{code: string, badge: string, title: string, lead: string, next: "retry"|"home"|"reload", retryAfterSeconds: number}}
 */
export function endingOf(kind, { output = null, error = null }) {
  if (error instanceof BrowserFailure) {
    const next = error.retry ? "retry" : "home";
    return { code: error.code, badge: "Your browser", title: error.title, lead: error.next, next, retryAfterSeconds: 0 };
  }
  const code = output?.outcome ?? error?.code;
  const ending = ENDINGS[code] ?? unknown(error);
  return {
    code: code ?? "page_failed",
    badge: ending.badge,
    title: wordsFor(kind, ending.title),
    lead: wordsFor(kind, ending.lead),
    next: ending.next,
    retryAfterSeconds: output?.retry_after_seconds ?? error?.retryAfterSeconds ?? 0,
  };
}

function wordsFor(kind, words) {
  return typeof words === "string" ? words : (words[kind] ?? words.default);
}

/** A code that this page does not know: the service's own sentence is better than a guess of ours. */
function unknown(error) {
  if (!error?.status) return ENDINGS.page_failed;
  if (error.status >= 500) return ENDINGS.failed;
  return { ...ENDINGS.failed, badge: "Not accepted", title: "The service did not accept this", lead: error.detail || ENDINGS.failed.lead };
}
