/** The operators' part of where somebody is signed in: signing them out of one application, or of all, with a reason. */

import { tell } from "./elements.js";
import { endSessionOf, endSessionsOf } from "./operations_api.js";
import { drawPlace } from "./places.js";
import { ask } from "./question.js";

const REASON = { reason: "Reason, for the audit trail", no: "Cancel", tone: "danger" };

/**
 * @param {{list: HTMLElement, title: HTMLElement, none: HTMLElement, everywhere: HTMLButtonElement, key: () => string,
 *          attempt: (purpose: string, act: (session: object) => Promise<object>) => Promise<object | undefined>,
 *          told: (sentence: string) => void}} page
 *   `attempt`: do it in the operator's session; undefined when it failed or was given up, and the page has said so
 */
export function createPersonPlaces({ list, title, none, everywhere, key, attempt, told }) {
  let person = null;

  everywhere.addEventListener("click", async () => {
    const whom = person;
    const answer = await ask({
      ...REASON,
      title: `Sign ${whom} out everywhere?`,
      lead: "Every application signs them out within a few minutes, and so does this service. Their passkeys stay: to keep them out, disable those as well.",
      yes: "Sign them out everywhere",
    });
    if (!answer) return;
    show(await attempt("sign somebody out", (session) => endSessionsOf(key(), session, whom, answer.reason)), `${whom} is signed out everywhere.`);
  });

  async function end({ id, application }) {
    const answer = await ask({
      ...REASON,
      title: `Sign ${person} out of ${application.name}?`,
      lead: "It signs them out within a few minutes. They can sign in again.",
      yes: "Sign them out",
    });
    if (!answer) return;
    show(await attempt("sign somebody out", (session) => endSessionOf(key(), session, id, answer.reason)), `${person} is signed out of ${application.name}.`);
  }

  function show(left, sentence) {
    if (!left || left.person !== person) return;
    draw(left.sessions);
    title.focus();
    told(sentence);
  }

  function draw(sessions) {
    list.replaceChildren(...sessions.map((place) => drawPlace(place, { words: "Sign them out", act: () => end(place) })));
    tell(none, sessions.length ? "" : "No application.");
  }

  return {
    open(found) {
      person = found.person;
      draw(found.sessions);
    },
    forget() {
      person = null;
      list.replaceChildren();
      tell(none, "");
    },
  };
}
