/**
 * Passkeys in the form field (conditional mediation): a request that waits, quietly, until the person picks a passkey.
 *
 * It needs a challenge before anybody has decided anything, so it holds a ceremony ready, renews it shortly before its
 * deadline while somebody can see the page, and gives it to the button when that is used instead. It never shows an error:
 * the button works without it and explains what is wrong.
 */

import { usePasskey } from "./authenticator.js";
import { begin, cancel, pause } from "./ceremony.js";

const RENEW_BEFORE_MS = 10_000;
const ENOUGH_MS = 60_000; // what a person needs at a prompt; a ceremony with less left is not handed on
const AFTER_FAILURE_MS = 30_000;

/** `body`: what else the ceremony is started with. @param {{onPicked: (ceremony: object, answer: object) => void, body?: object}} page */
export function createAutofill({ onPicked, body = {} }) {
  let stop = null; // AbortController of the running request, or null
  let running = Promise.resolve();
  let ready = null; // the ceremony held ready, or null

  async function wait(signal) {
    while (!signal.aborted) {
      await visible(signal);
      try {
        ready = await begin("authentication", { ...body, mediation: "conditional" });
      } catch (error) {
        await pause(Math.max(error.retryAfterSeconds * 1000, AFTER_FAILURE_MS), signal);
        continue;
      }
      if (signal.aborted) return;
      const leftMs = ready.expiresAtMs - Date.now();
      const stale = AbortSignal.timeout(Math.max(leftMs - Math.min(RENEW_BEFORE_MS, leftMs / 10), 0));
      try {
        const answer = await usePasskey(ready.publicKey, {
          mediation: "conditional",
          signal: AbortSignal.any([signal, stale]),
        });
        const picked = ready;
        ready = null;
        stop = null;
        onPicked(picked, answer);
        return;
      } catch {
        if (signal.aborted) return;
        if (!stale.aborted) return letGo(); // the browser would not: it will not the next time either
        ready = null; // it expires in a moment, by itself
      }
    }
  }

  function letGo() {
    const ceremony = ready;
    ready = null;
    if (ceremony) cancel(ceremony.id, { leaving: true }).catch(() => {}); // it expires by itself
  }

  return {
    /** Start offering passkeys in the field. */
    arm() {
      if (stop) return;
      stop = new AbortController();
      running = wait(stop.signal).catch(() => {}); // only ever the abort
    },

    /** Stop, wait until the browser has let go, and hand over the ceremony if a prompt can still use it, else null. */
    async disarm() {
      stop?.abort();
      stop = null;
      await running;
      const ceremony = ready;
      if (!ceremony || ceremony.expiresAtMs - Date.now() < ENOUGH_MS) {
        letGo();
        return null;
      }
      ready = null;
      return ceremony;
    },

    /** The page goes away: stop at once. */
    leave() {
      stop?.abort();
      stop = null;
      letGo();
    },
  };
}

/** Resolve when somebody can see the page. */
function visible(signal) {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((resolve, reject) => {
    const look = () => {
      if (document.visibilityState !== "visible") return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", () => {
      document.removeEventListener("visibilitychange", look);
      reject(signal.reason);
    }, { once: true });
  });
}
