/** A person's own passkeys over HTTP, in the session that a completed ceremony and its verifier are. */

import { proving } from "./proof.js";
import { call } from "./service.js";

const TIMEOUT_MS = 20_000;

/**
 * {credentials: [{id, name, authenticator: {aaguid, name, icon, proven}, createdAt, lastUsedAt, synced, backedUp, transports,
 *   standing, current}], signals: {allAcceptedCredentials, currentUserDetails}}
 */
export function listPasskeys(session) {
  return request("GET", "/credentials", session);
}

/** The passkey as it is listed, with its new name. */
export function renamePasskey(session, id, name) {
  return request("PATCH", `/credentials/${id}`, session, { name });
}

/** {removed: id, signals}. `last`: the person knows that it is their last one. */
export function removePasskey(session, id, { last }) {
  return request("DELETE", `/credentials/${id}${last ? "?confirm=last" : ""}`, session);
}

/** What may be told to the browser of a sign-in that was rejected: {unknownCredential: {rpId, credentialId} | null}. */
export function signalsOf(ceremony) {
  return request("GET", `/ceremonies/${ceremony.id}/signals`, ceremony);
}

/** Whether signing in again, and repeating the request, is what helps. */
export function needsSignIn(error) {
  return ["session_stale", "session_invalid"].includes(error?.code);
}

async function request(method, path, session, body) {
  return (await call(method, path, { body, headers: proving(session), timeoutMs: TIMEOUT_MS })).document;
}
