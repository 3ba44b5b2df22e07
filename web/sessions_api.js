/** A person's sessions with applications over HTTP, in the session that a completed ceremony and its verifier are. */

import { needsSignIn } from "./credentials_api.js";
import { proving } from "./proof.js";
import { call } from "./service.js";

const TIMEOUT_MS = 20_000;

/**
 * {sessions: [{id, application: {id, name}, signedInAt, lastUsedAt, expiresAt, passkey: {id, name}, current}]}, the last used
 * first. Of the others, what is left then.
 */
export function listSessions(session) {
  return request("GET", "/sessions", session);
}

/** Sign out of one application. */
export function endSession(session, id) {
  return request("DELETE", `/sessions/${id}`, session);
}

/** Sign out of every application, and here: the session that asks is over, too. */
export function endEverySession(session) {
  return request("DELETE", "/sessions", session);
}

/** As `call`; the error of a session that is over says so by `needsSignIn`. */
async function request(method, path, session) {
  try {
    return (await call(method, path, { headers: proving(session), timeoutMs: TIMEOUT_MS })).document;
  } catch (error) {
    if (needsSignIn(error)) error.needsSignIn = true;
    throw error;
  }
}
