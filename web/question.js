/** One question in a dialog that nothing else can be done before. The browser keeps the focus in it, and gives it back. */

import { made } from "./elements.js";

/**
 * @param {{title: string, lead: string, yes: string, no: string, tone?: "danger" | "primary",
 *          sure?: string, reason?: string}} asked  `sure`: what has to be ticked first; `reason`: the label of a required text
 * @returns {Promise<{reason: string} | null>} null for no
 */
export function ask({ title, lead, yes, no, tone = "primary", sure = "", reason = "" }) {
  const dialog = made("dialog", "question");
  const heading = made("h2", "", title);
  const words = made("p", "", lead);
  heading.id = "question-title";
  words.id = "question-lead";
  dialog.setAttribute("aria-labelledby", heading.id);
  dialog.setAttribute("aria-describedby", words.id);

  const form = made("form");
  const text = reason ? reasonField(form, reason) : null;
  if (sure) form.append(tick(sure));
  const actions = form.appendChild(made("div", "actions"));
  const act = actions.appendChild(made("button", tone, yes));
  const leave = actions.appendChild(made("button", "secondary", no));
  leave.type = "button";
  dialog.append(heading, words, form);

  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      dialog.close(text ? text.value.trim() : "");
      resolve({ reason: dialog.returnValue });
    });
    leave.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(null); // does nothing after a yes
    });
    document.body.append(dialog);
    dialog.showModal();
    // What takes nothing away has the focus, unless something is to be typed.
    (text ?? (tone === "danger" ? leave : act)).focus();
  });
}

function reasonField(form, label) {
  const field = form.appendChild(made("div", "field"));
  const text = made("input");
  text.id = "question-reason";
  text.required = true;
  text.maxLength = 200;
  text.autocomplete = "off";
  text.pattern = ".*\\S.*"; // blanks are no reason
  const name = made("label", "", label);
  name.htmlFor = text.id;
  field.append(name, text);
  return text;
}

function tick(words) {
  const label = made("label", "tick");
  const box = made("input");
  box.type = "checkbox";
  box.required = true;
  label.append(box, made("span", "", words));
  return label;
}
