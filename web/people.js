/**
 * The people on the operators' page: one person's passkeys, taking one out of use or back into it, where they are signed in, and
 * starting a recovery.
 */

import { instant, made, tell } from "./elements.js";
import { drawPasskey, titleOf } from "./holding.js";
import { decide, passkeysOf, sessionsOf } from "./operations_api.js";
import { createPersonPlaces } from "./person_places.js";
import { ask } from "./question.js";

const STANDINGS = { active: ["good", "Active"], disabled: ["bad", "Disabled"], step_up: ["warn", "To be replaced"] };

// Who decides when nobody does, and why the directory does.
const DECIDERS = { metadata: "By the metadata of its model", "service:directory": "By the directory's word, pending review" };
const REASONS = { person_disabled: "they are disabled there", person_unknown: "it does not know them" };

const $ = (id) => document.getElementById(id);

/**
 * @param {{key: () => string, operator: object, recoveries: object, lock: (error: Error) => void}} page
 */
export function createPeople({ key, operator, recoveries, lock }) {
  let shown = null; // the person whose passkeys are on the screen

  const places = createPersonPlaces({
    list: $("person-places"),
    title: $("person-places-title"),
    none: $("person-nowhere"),
    everywhere: $("person-sign-out"),
    key,
    attempt,
    told: (sentence) => tell($("people-status"), sentence),
  });

  $("look-up").addEventListener("submit", (event) => {
    event.preventDefault();
    lookUp($("person").value.trim());
  });
  $("recovery-form").addEventListener("submit", (event) => {
    event.preventDefault();
    recover();
  });

  async function lookUp(person) {
    shown = null;
    $("person-body").hidden = true;
    const found = await attempt("see somebody's passkeys", (session) => held(session, person));
    if (!found) return;
    shown = found.person;
    $("person-title").textContent = `Passkeys of ${shown}`;
    draw(found.credentials);
    places.open(found);
    $("recovery-reason").value = "";
    $("person-body").hidden = false;
    $("person-title").focus();
  }

  async function held(session, person) {
    return { ...(await sessionsOf(key(), session, person)), ...(await passkeysOf(key(), session, person)) };
  }

  function draw(credentials) {
    $("person-passkeys").replaceChildren(...credentials.map(item));
    tell($("person-none"), credentials.length ? "" : "No passkey. Either there is no such person, or they have none now.");
    drawStarted();
  }

  function drawStarted() {
    const { started } = recoveries;
    $("recovery-under-way").hidden = !started;
    if (started) $("recovery-under-way").href = `#recovery=${started.id}`;
  }

  async function change(passkey, act) {
    const disabling = act === "disable";
    const name = titleOf(passkey);
    const answer = await ask({
      title: disabling ? `Disable ${name}?` : `Enable ${name}?`,
      lead: disabling
        ? `${passkey.person} can no longer sign in with it, and what they have signed in to with it ends. From outside, it looks like a passkey that does not exist.`
        : `${passkey.person} can sign in with it again.`,
      reason: "Reason, for the audit trail",
      yes: disabling ? "Disable it" : "Enable it",
      no: "Cancel",
      tone: disabling ? "danger" : "primary",
    });
    if (!answer) return;
    const changed = await attempt(`${act} a passkey`, (session) => decide(key(), session, passkey.id, act, answer.reason));
    if (!changed) return;
    const line = $("person-passkeys").querySelector(`[data-id="${CSS.escape(passkey.id)}"]`);
    const fresh = item(changed);
    line?.replaceWith(fresh);
    fresh.querySelector("button").focus();
    tell($("people-status"), `${name} is ${disabling ? "disabled" : "enabled again"}.`);
  }

  async function recover() {
    const id = await attempt("start a recovery", () => recoveries.start(shown, $("recovery-reason").value.trim()), { acts: true });
    if (id) location.hash = `recovery=${id}`;
  }

  /** The result of `act`, in the operator's session; undefined when it failed, or was given up, and the page says so. */
  async function attempt(purpose, act, { acts = false } = {}) {
    tell($("people-error"), "");
    tell($("people-status"), "");
    document.body.setAttribute("aria-busy", "true");
    try {
      return await (acts ? act() : operator.acting(purpose, act));
    } catch (error) {
      if (error.code === "key_refused") return void lock(error);
      tell($("people-error"), error.message);
      return undefined;
    } finally {
      document.body.removeAttribute("aria-busy");
    }
  }

  function item(passkey) {
    const standing = STANDINGS[passkey.standing] ?? ["calm", passkey.standing];
    const act = passkey.standing === "disabled" ? "enable" : "disable";
    return drawPasskey(passkey, {
      badges: [standing],
      told: whatItIs(passkey),
      more: [made("code", "holding-id", passkey.id), ...(passkey.decision ? [decision(passkey.decision)] : [])],
      actions: [[act === "disable" ? "do-remove" : "", act === "disable" ? "Disable" : "Enable", () => change(passkey, act)]],
    });
  }

  return {
    /** The view is on the screen again. */
    enter: drawStarted,
    /** Nobody is signed in any more, or somebody else: what was shown was for another pair of eyes. */
    forget() {
      shown = null;
      $("person-body").hidden = true;
      places.forget();
      for (const id of ["person-title", "person-passkeys", "person-none"]) $(id).replaceChildren();
      $("person").value = $("recovery-reason").value = "";
      tell($("people-error"), "");
      tell($("people-status"), "");
    },
  };
}

/** "YubiKey 5 Series, attested. On one device or key": a model that no attestation proves is what the passkey says of itself. */
function whatItIs(passkey) {
  const { authenticator, synced } = passkey;
  const model = authenticator.name ?? "Unknown model";
  const proven = authenticator.proven ? "attested" : "not attested";
  const where = synced ? "Synced" : "On one device or key";
  return model === titleOf(passkey) ? `Model ${proven}. ${where}` : `${model}, ${proven}. ${where}`;
}

function decision({ reason, by, at }) {
  const line = made("p", "holding-advice", `${DECIDERS[by] ?? by ?? "The service"}, `);
  line.append(instant(at), `: ${REASONS[reason] ?? reason ?? "no reason given"}`);
  return line;
}
