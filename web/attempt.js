/** One attempt at a ceremony as the pages show it: started, answered by the person, and followed to its end. */

import { cancel } from "./ceremony.js";
import { conduct } from "./conduct.js";
import * as views from "./views.js";

/**
 * `start` gives the ceremony, `prompt` the person's answer to its options; `onStarted` hears its id; `signal` cancels it.
 * @returns {Promise<{ceremony: object, output: object, answer: object | null}>} `answer` null: it ended before there was one
 * @throws what `start`, `prompt` and `conduct` throw; the signal's reason, if it was cancelled before anybody was asked
 */
export async function attempt(kind, { start, prompt, signal, onStarted }) {
  views.showCeremony(kind);
  const ceremony = await start();
  onStarted(ceremony.id);
  views.showReference(ceremony.id);
  if (signal.aborted) await cancel(ceremony.id).catch(() => {});
  signal.throwIfAborted();
  views.showDeadline(ceremony.expiresAtMs);
  views.showStage(kind, "awaiting_authenticator");
  let answer = null;
  const output = await conduct(ceremony, {
    ask: async (options, facts) => (answer = await prompt(options, facts)),
    signal,
    onStage: (stage) => views.showStage(kind, stage),
    onConnection: views.showConnection,
  });
  return { ceremony, output, answer };
}
