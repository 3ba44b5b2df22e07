/**
 * Conditional create (WebAuthn L3 §5.1.3, mediation "conditional"): after a sign-in with another device's passkey, this browser
 * may keep one of its own, without a prompt. It decides by itself whether; if not, nobody hears of it.
 */

import { createPasskey } from "./authenticator.js";
import { begin, cancel } from "./ceremony.js";
import { conduct } from "./conduct.js";
import { proving } from "./proof.js";

const LONG_ENOUGH_MS = 20_000; // a browser answers within seconds, or never: some leave the request open

let current = null; // {id, stop, over} of the attempt in progress

/** Try once. Resolves to whether there is a new passkey; never rejects. */
export function upgrade(session) {
  const stop = new AbortController();
  const attempt = { id: null, stop };
  attempt.over = run(session, attempt).catch(() => false).finally(() => {
    if (current === attempt) current = null;
  });
  current = attempt;
  return attempt.over;
}

/** End the attempt in progress, and wait until the browser has let go: it shows one passkey request at a time. */
export async function endUpgrade() {
  current?.stop.abort();
  await current?.over;
}

/** The page goes away. */
export function leaveUpgrade() {
  if (current?.id) cancel(current.id, { leaving: true }).catch(() => {}); // it expires by itself
}

async function run(session, attempt) {
  // Without this capability a browser may not know the mediation, and would show a prompt that nobody asked for.
  const capabilities = await PublicKeyCredential.getClientCapabilities?.();
  if (capabilities?.conditionalCreate !== true) return false;
  const ceremony = await begin("registration", { mediation: "conditional" }, { headers: proving(session) });
  attempt.id = ceremony.id;
  let made = "";
  const output = await conduct(ceremony, {
    ask: async (options, { signal }) => {
      const answer = await createPasskey(options, { signal, mediation: "conditional" });
      made = answer.id;
      return answer;
    },
    signal: AbortSignal.any([attempt.stop.signal, AbortSignal.timeout(LONG_ENOUGH_MS)]),
    onStage: () => {},
    onConnection: () => {},
  });
  return output.outcome === "completed" && output.credential_id === made;
}
