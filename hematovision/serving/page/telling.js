// What the page says aloud: quietly in a live region, or as an alarm that stays until it is put away.

import { byId, el } from "./elements.js";

/** Say something to who listens, without moving anybody's focus. */
export function say(text) {
  byId("said").textContent = text;
}

/** Show what went wrong; screen readers read it at once. Empties with `calm`. */
export function alarm(text) {
  const close = el("button", { type: "button", class: "plain", onclick: calm }, "Dismiss");
  byId("alarm").replaceChildren(el("p", { class: "refused" }, text, " ", close));
}

/** Put the alarm away. */
export function calm() {
  byId("alarm").replaceChildren();
}
