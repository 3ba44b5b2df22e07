/** The ceremony's stages as a person sees them: four steps, from the service's stages, each with the time from the start until it was done. */

import { made } from "./elements.js";

/** Each step covers one or more stages of the service, in order. What comes after `recording` is the outcome. */
const STEPS = [
  {
    stages: ["admitting", "challenging"],
    name: "Let in",
    told: { registration: "The service checks its limits and issues a fresh challenge.", authentication: "The service checks its limits and issues a fresh challenge." },
    spoken: "Starting.",
  },
  {
    stages: ["awaiting_authenticator"],
    name: "Your turn",
    told: { registration: "Your browser asks you to create the passkey.", authentication: "Your browser asks for your passkey." },
    spoken: "Your browser asks for your passkey.",
  },
  {
    stages: ["verifying", "resolving_claims"],
    name: "Checked",
    told: { registration: "The answer is verified, and your account looked up.", authentication: "The signature is verified, and your account looked up." },
    spoken: "Checking the answer.",
  },
  {
    stages: ["recording"],
    name: "Recorded",
    told: { registration: "The passkey is stored. The outcome goes into the audit trail.", authentication: "The outcome goes into the audit trail." },
    spoken: "Recording the outcome.",
  },
];
const SPOKEN_STATES = { done: "done", now: "in progress", next: "not reached", stopped: "stopped here" };

/** @param {HTMLOListElement} list  @param {(sentence: string) => void} announce */
export function createStages(list, announce) {
  const items = STEPS.map((step) => {
    const item = list.appendChild(document.createElement("li"));
    const name = item.appendChild(made("span", "stage-name", step.name));
    const time = item.appendChild(made("span", "stage-time", ""));
    const state = item.appendChild(made("span", "visually-hidden", ""));
    const told = item.appendChild(made("p", "stage-told", ""));
    return { item, name, time, state, told };
  });
  let at = -1; // the step in progress; STEPS.length once all are done
  let startedMs = 0;

  function draw(now = "now") {
    items.forEach(({ item, state }, index) => {
      const drawn = index < at ? "done" : index === at ? now : "next";
      item.dataset.state = drawn;
      state.textContent = SPOKEN_STATES[drawn];
      item.toggleAttribute("aria-current", false);
      if (drawn === "now") item.setAttribute("aria-current", "step");
    });
  }

  function moveTo(index) {
    if (index <= at) return false; // stages come from two sources; none goes back
    for (let passed = Math.max(at, 0); passed < index; passed += 1) {
      if (passed >= at) items[passed].time.textContent ||= elapsed(performance.now() - startedMs);
    }
    at = index;
    return true;
  }

  return {
    /** Show the steps of this kind of ceremony, none reached. */
    reset(kind) {
      at = -1;
      startedMs = performance.now();
      STEPS.forEach((step, index) => {
        items[index].told.textContent = step.told[kind];
        items[index].time.textContent = "";
      });
      draw();
    },
    /** The service, or the browser on its behalf, is at this stage now. */
    reach(stage) {
      const index = STEPS.findIndex((step) => step.stages.includes(stage));
      if (index < 0 || !moveTo(index)) return;
      draw();
      announce(STEPS[index].spoken);
    },
    /** Everything is done. */
    complete() {
      moveTo(STEPS.length);
      draw();
    },
    /** It ended at the step that it was at. `tone`: "calm" where nothing went wrong, else "bad". */
    stop(tone) {
      list.dataset.tone = tone;
      draw("stopped");
    },
  };
}

function elapsed(ms) {
  return ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.round(ms / 1000)} s`;
}
