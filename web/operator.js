/**
 * Who the operator is: the function key opens the page, and a passkey says whose hand is on it. The session lives in this module's
 * memory, as on the sign-in page.
 */

import { usePasskey } from "./authenticator.js";
import { begin } from "./ceremony.js";
import { conduct } from "./conduct.js";
import { tell } from "./elements.js";
import { OperationsError } from "./operations_api.js";
import { endingOf } from "./outcomes.js";
import { ask } from "./question.js";

/**
 * @param {{bar: HTMLElement, words: HTMLElement, error: HTMLElement, enter: HTMLButtonElement, leave: HTMLButtonElement,
 *          onChange: () => void}} page  `onChange`: somebody has signed in or out
 */
export function createOperator({ bar, words, error, enter, leave, onChange }) {
  let session = null; // {id, verifier, person}
  let stop = null; // AbortController of the prompt that is open

  enter.addEventListener("click", async () => {
    tell(error, "");
    try {
      if (await signIn()) onChange();
    } catch (cause) {
      tell(error, cause.message);
    }
  });
  leave.addEventListener("click", () => {
    if (stop) return stop.abort();
    forget();
    onChange();
    enter.focus();
  });
  draw();

  /** Resolves to whether somebody is here now: not if they cancelled. Throws an OperationsError that says what went wrong. */
  async function signIn() {
    if (stop) return false;
    stop = new AbortController();
    draw("Follow your browser: it asks for your passkey.");
    try {
      const ceremony = await begin("authentication", { mediation: "modal" });
      const output = await conduct(ceremony, { ask: usePasskey, signal: stop.signal, onStage: () => {}, onConnection: () => {} });
      if (output.outcome !== "completed") throw failed(endingOf("authentication", { output }));
      session = { id: ceremony.id, verifier: ceremony.verifier, person: output.person };
      return true;
    } catch (cause) {
      if (stop.signal.aborted) return false;
      throw cause instanceof OperationsError ? cause : failed(endingOf("authentication", { error: cause }));
    } finally {
      stop = null;
      draw();
    }
  }

  function failed({ code, title, lead }) {
    return new OperationsError(code, `${title}. ${lead}`);
  }

  function draw(prompt = "") {
    const name = session?.person?.display_name;
    words.textContent = prompt || (session ? `Signed in as ${name} (${session.person.id}).` : "What concerns people carries your name: sign in with your own passkey.");
    enter.hidden = Boolean(prompt || session);
    leave.hidden = !prompt && !session;
    leave.textContent = prompt ? "Cancel" : "Sign out";
    bar.dataset.state = prompt ? "asking" : session ? "here" : "nobody";
  }

  function forget() {
    stop?.abort();
    session = null;
    tell(error, "");
    draw();
  }

  /** `act(session)`, after a sign-in if there is none; once more after another one when the service wants it fresh. */
  async function acting(purpose, act) {
    if (!session && !(await signIn())) return undefined;
    try {
      return await act(session);
    } catch (cause) {
      if (!cause.needsSignIn) throw cause;
    }
    const yes = await ask({
      title: "Is it still you?",
      lead: `You signed in a while ago. To ${purpose}, use your passkey again.`,
      yes: "Sign in again",
      no: "Not now",
    });
    if (!yes || !(await signIn())) return undefined;
    return act(session);
  }

  return {
    acting,
    forget,
    get session() {
      return session;
    },
  };
}
