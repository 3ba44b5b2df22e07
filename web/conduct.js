/**
 * One ceremony from its options to its outcome: the prompt and the watch on the service run side by side.
 *
 * 1. The service decides how a ceremony ends. What the browser says only matters while the service has not spoken.
 * 2. Whatever ends here without an answer is cancelled there, so that the record tells what happened.
 * 3. A lost connection ends nothing: the ceremony is durable, so the page asks again until the deadline is well past.
 */

import { cancel, pause, read, respond } from "./ceremony.js";
import { ServiceError } from "./service.js";

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 5_000;
const PATIENCE_MS = 30_000; // beyond the deadline: what was answered in time may still be on its way
const TOO_FAST_MS = 250; // a status read that came back sooner, unchanged, was not held back: do not spin
const SAME_MOMENT_MS = 2_000; // the browser's own timeout and the service's deadline are meant to be the same

/**
 * @param {{id: string, publicKey: object, expiresAtMs: number}} ceremony
 * @param {{ask: (options: object, facts: {signal: AbortSignal}) => Promise<object>, signal: AbortSignal,
 *          onStage: (stage: string) => void, onConnection: (connected: boolean) => void}} page
 * @returns {Promise<object>} the output: {outcome, reason, person, credential_id, retry_after_seconds, at}
 * @throws {BrowserFailure | ServiceError}
 */
export async function conduct(ceremony, { ask, signal, onStage, onConnection }) {
  const over = new AbortController();
  const page = { signal: AbortSignal.any([signal, over.signal]), onStage, onConnection };
  const watching = watch(ceremony, page);
  const answering = answer(ceremony, ask, page).then((standing) => standing.output ?? watching);
  try {
    return await Promise.race([watching, answering]);
  } catch (error) {
    const closedAtDeadline = error.code === "prompt_closed" && ceremony.expiresAtMs - Date.now() < SAME_MOMENT_MS;
    if (closedAtDeadline) return await watching;
    const output = await end(ceremony);
    if (signal.aborted) return output ?? { outcome: "canceled", kind: ceremony.kind };
    // It may have ended otherwise at the same moment: then that is what happened.
    if (output && output.outcome !== "canceled") return output;
    throw error;
  } finally {
    over.abort();
    await Promise.allSettled([watching, answering]); // the prompt is closed before anybody opens another one
  }
}

/** Tell each stage as it comes, and return the output. */
export async function watch(ceremony, { signal, onStage, onConnection }) {
  let stage = "awaiting_authenticator";
  for (;;) {
    const askedMs = performance.now();
    const standing = await persist(ceremony, { signal, onConnection }, (again) =>
      // After a failure ask for an answer at once: the person waits to hear that the connection is back.
      read(ceremony.id, { waitSeconds: again ? 0 : undefined, after: stage, signal }),
    );
    if (standing.output) return standing.output;
    if (standing.stage && standing.stage !== stage) {
      stage = standing.stage;
      onStage(stage);
    } else if (performance.now() - askedMs < TOO_FAST_MS) {
      await pause(1_000, signal);
    }
  }
}

/** Get the answer from the person, hand it over, and return how the ceremony stands then. */
async function answer(ceremony, ask, { signal, onStage, onConnection }) {
  const credential = await ask(ceremony.publicKey, { signal });
  onStage("verifying");
  // Sending twice is safe: the first answer counts, and the second learns that from the status.
  return persist(ceremony, { signal, onConnection }, () =>
    respond(ceremony, credential, { signal }).catch((error) => {
      if (error.code === "ceremony_finished") return read(ceremony.id, { waitSeconds: 0, signal });
      throw error;
    }),
  );
}

/** `request(again)`, again and again while nobody answers, with growing pauses, until the deadline is well past. */
async function persist(ceremony, { signal, onConnection }, request) {
  for (let pauseMs = FIRST_RETRY_MS, again = false; ; pauseMs = Math.min(pauseMs * 2, LONGEST_RETRY_MS), again = true) {
    try {
      const result = await request(again);
      onConnection(true);
      return result;
    } catch (error) {
      if (!(error instanceof ServiceError && error.transient)) throw error;
      if (Date.now() > ceremony.expiresAtMs + PATIENCE_MS) throw error;
      onConnection(false);
      await pause(pauseMs, signal);
    }
  }
}

/** Cancel at the service; its output if it has one, else null. Never throws: there is nothing left to save. */
async function end({ id }) {
  try {
    return (await cancel(id)).output;
  } catch (error) {
    if (error.code !== "ceremony_finished") return null;
  }
  try {
    return (await read(id, { waitSeconds: 0 })).output;
  } catch {
    return null;
  }
}
