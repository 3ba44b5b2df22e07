/**
 * The operator's requests. The function key goes with each, and what concerns a person needs the operator's own session besides.
 * Both are kept nowhere but in the caller's memory. Errors say what the operator can do.
 */

import { needsSignIn } from "./credentials_api.js";
import { waiting } from "./elements.js";
import { proving } from "./proof.js";
import { call } from "./service.js";

const TIMEOUT_MS = 20_000;
const LISTED = 100;
const NEXT_STEPS = {
  host_unreachable: "The service does not answer. Check that it is running, then try again.",
  ceremony_unknown: "There is no such ceremony. Check the id; its history may have been purged.",
  credential_unknown: "This passkey is no longer there. Look the person up again.",
  session_unknown: "They are signed out there already. Look the person up again.",
  operator_required: "Your account does not have the operator's role. Ask whoever keeps your directory for it.",
  user_verification_required: "Your passkey has not checked that it is you. Sign out, and sign in with your PIN, fingerprint or face; a security key needs a PIN first.",
  step_up_required: "The service no longer trusts the kind of passkey that you have signed in with. Add another one on the sign-in page, and use that.",
};

export class OperationsError extends Error {
  /** @param {string} code  @param {string} next what the operator can do */
  constructor(code, next, { cause } = {}) {
    super(next, { cause });
    this.name = "OperationsError";
    this.code = code;
  }

  /** Whether the operator's session is too old, or over. */
  get needsSignIn() {
    return needsSignIn(this);
  }
}

/** [{id, kind, runtimeStatus, stage, outcome, reason, createdTime, lastUpdatedTime}], newest first. */
export async function recentCeremonies(key) {
  return (await request("GET", `/operations/ceremonies?limit=${LISTED}`, { key })).ceremonies;
}

/** One ceremony: the same members, and `timeline`: [{at, source, step, detail}] and `audit`: its entry or null. */
export function oneCeremony(key, id) {
  return request("GET", `/operations/ceremonies/${id}`, { key });
}

/** {standing: "kept_up" | "behind" | "full", pending, oldestAt, limit, logs: [{shard, recorded, pending, oldestAt, segment}]}. */
export function auditOf(key) {
  return request("GET", "/operations/audit", { key });
}

/** {configured, metadata: {no, nextUpdate, stale, models, keptAt} | null, refresh: the last one, or null}. */
export function metadataOf(key) {
  return request("GET", "/operations/metadata", { key });
}

/** {person, credentials}: as their person sees them, and `decision`: {reason, by, at} or null. */
export function passkeysOf(key, session, person) {
  return request("GET", `/operations/credentials?${new URLSearchParams({ person })}`, { key, session });
}

/** Disable or enable a passkey; it as it is listed now. @param {"disable" | "enable"} act */
export function decide(key, session, id, act, reason) {
  return request("POST", `/operations/credentials/${id}/${act}`, { key, session, body: { reason } });
}

/** {person, sessions}: where somebody is signed in, as sessions_api.js has it. */
export function sessionsOf(key, session, person) {
  return request("GET", `/operations/sessions?${new URLSearchParams({ person })}`, { key, session });
}

/** Sign somebody out of one application; {person, sessions}: what is left. */
export function endSessionOf(key, session, id, reason) {
  return request("POST", `/operations/sessions/${id}/end`, { key, session, body: { reason } });
}

/** Sign somebody out everywhere; {person, sessions}: what is left. */
export function endSessionsOf(key, session, person, reason) {
  return request("POST", "/operations/sessions/end", { key, session, body: { person, reason } });
}

/** The headers with which an operator starts a recovery. */
export function operating(key, session) {
  return { "x-functions-key": key, ...proving(session) };
}

/** {ticket, link, expiresAt}: once, and only for whoever started the recovery. */
export function takeTicket(key, session, { id, verifier }) {
  return request("POST", `/operations/recoveries/${id}/ticket`, { key, session, body: { code_verifier: verifier } });
}

/** What went wrong, as an OperationsError. */
export function explained(error) {
  if (error instanceof OperationsError || !error.code) return error;
  // The host's own refusal of a key has no body, so no code of ours.
  if (["http_401", "http_403"].includes(error.code)) return keyRefused();
  return new OperationsError(error.code, NEXT_STEPS[error.code] ?? said(error), { cause: error });
}

/** The service's own sentence, where it has one for callers. */
function said({ code, status, detail, retryAfterSeconds }) {
  if (code === "rate_limited") return `Too many in a short time. Try again in ${waiting(retryAfterSeconds)}.`;
  if (detail && status < 500) return detail;
  return `The service answered ${status}. ${detail || "Try again; if it stays, look at the service's log."}`;
}

async function request(method, path, { key, session, body }) {
  // A key that cannot be a header's value never leaves: fetch would refuse it as if the connection were lost.
  if (/[^\x21-\x7e]/.test(key)) throw keyRefused();
  const headers = session ? operating(key, session) : { "x-functions-key": key };
  try {
    return (await call(method, path, { body, headers, timeoutMs: TIMEOUT_MS })).document;
  } catch (error) {
    throw explained(error);
  }
}

function keyRefused() {
  return new OperationsError("key_refused", "This key was not accepted. Check that you copied all of it, and that it is this service's key.");
}
