/** The ceremony API over HTTP, and nothing else: no page, no authenticator. Errors are ServiceErrors. */

import { newProof, proving } from "./proof.js";
import { call, ServiceError } from "./service.js";

const START_TIMEOUT_MS = 20_000; // the service holds a start for at most 3 s
const OPTIONS_TIMEOUT_MS = 20_000;
const POLL_WAIT_SECONDS = 25; // the longest that the service holds a status read
const ANSWER_TIMEOUT_MS = 25_000; // it holds an answer for at most 10 s
const STARTS = { registration: "/registrations", authentication: "/authentications", recovery: "/operations/recoveries" };

/**
 * Start a ceremony, with a proof key of its own, and wait for its options.
 * @returns {Promise<{id: string, kind: string, verifier: string, publicKey: object, expiresAtMs: number}>} `expiresAtMs` by
 *   this machine's clock; `verifier` for the memory of this page alone.
 */
export async function begin(kind, body, { headers } = {}) {
  const { verifier, challenge } = await newProof();
  const started = await call("POST", STARTS[kind], {
    body: { ...body, code_challenge: challenge },
    headers,
    timeoutMs: START_TIMEOUT_MS,
  });
  const { id } = started.document;
  const known = { id, kind, verifier };
  if (started.document.publicKey) return ceremonyOf(known, started.document, started.serverNowMs);
  // The service answers before the options are there when a step takes long: then they come with the status.
  const giveUpMs = Date.now() + OPTIONS_TIMEOUT_MS;
  let stage = started.document.status?.stage;
  while (Date.now() < giveUpMs) {
    const standing = await read(id, { waitSeconds: 5, after: stage });
    if (standing.output) throw endedEarly(standing.output);
    if (standing.publicKey) return ceremonyOf(known, standing, standing.serverNowMs);
    await pause(250);
    stage = standing.stage;
  }
  throw new ServiceError("unavailable", { detail: "The challenge took too long to arrive." });
}

/**
 * A ceremony that somebody else has started: as `begin` gives it, without the verifier, and its `details`. `output` if it has
 * ended: then there is nothing to answer.
 */
export async function join(kind, id) {
  const standing = await read(id, { waitSeconds: 0 });
  const { details, output } = standing;
  return { ceremony: standing.publicKey ? ceremonyOf({ id, kind, verifier: null }, standing, standing.serverNowMs) : { id, kind }, details, output };
}

/** How a ceremony stands: {stage, publicKey, expiresAt, details, output: object | null, serverNowMs}. Held back until it moves on. */
export async function read(id, { waitSeconds = POLL_WAIT_SECONDS, after = undefined, signal } = {}) {
  const query = new URLSearchParams({ wait: String(waitSeconds) });
  if (after) query.set("after", after);
  const timeoutMs = waitSeconds * 1000 + 10_000;
  return standingOf(await call("GET", `/ceremonies/${id}?${query}`, { timeoutMs, signal }));
}

/** Hand over the authenticator's answer (its `toJSON()`), as who started the ceremony if that was here; how it stands after a short wait. */
export async function respond(ceremony, answer, { signal } = {}) {
  const headers = ceremony.verifier ? proving(ceremony) : {};
  return standingOf(
    await call("POST", `/ceremonies/${ceremony.id}/response`, { body: answer, headers, timeoutMs: ANSWER_TIMEOUT_MS, signal }),
  );
}

/** Cancel; `leaving` lets the request outlive the page. */
export async function cancel(id, { leaving = false } = {}) {
  return standingOf(await call("DELETE", `/ceremonies/${id}`, { timeoutMs: ANSWER_TIMEOUT_MS, keepalive: leaving }));
}

/** Resolve after `ms`; reject with the signal's reason when it is aborted first. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

function standingOf({ document, serverNowMs }) {
  const { stage, publicKey, expiresAt, details } = document.customStatus ?? {};
  return { stage, publicKey, expiresAt, details, output: document.output ?? null, serverNowMs };
}

function ceremonyOf(known, { publicKey, expiresAt }, serverNowMs) {
  // Two clocks: the deadline is the service's, the countdown is ours. The Date header says how far they are apart.
  const skewMs = Number.isFinite(serverNowMs) ? Date.now() - serverNowMs : 0;
  const givenMs = Date.parse(expiresAt ?? "");
  // Date has whole seconds only: the options' own timeout, counted from now, is the better bound when it is nearer.
  const expiresAtMs = Math.min(
    Number.isFinite(givenMs) ? givenMs + skewMs : Infinity,
    Date.now() + (publicKey.timeout ?? 300_000),
  );
  return { ...known, publicKey, expiresAtMs };
}

/** A ceremony that ended before it had options: nobody can answer it, so it is an error to whoever started it. */
function endedEarly(output) {
  const code = output.outcome === "failed" ? "unavailable" : output.outcome;
  return new ServiceError(code, { retryAfterSeconds: output.retry_after_seconds ?? 0 });
}
