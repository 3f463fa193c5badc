// The panel about one cell: its picture, what the model says, and what a person may say.

import { picture, possible, warnings } from "./cells.js";
import { bar, className, el, percent } from "./elements.js";
import { marksOf } from "./marks.js";

/**
 * The elements of the panel.
 * @param {import("./cells.js").Cell} cell
 * @param acts what its buttons do: `say(label)`, `undo()`, `heat()`, `redraw()`.
 * @param further `head` before the classes and `foot` after them: elements.
 */
export function panelOf(cell, acts, { head = [], foot = [] }) {
  return [
    el("h2", {}, cell.name),
    ...warnings(cell),
    el("div", { class: cell.heat ? "looks two" : "looks" }, ...looks(cell, acts), tools(cell, acts)),
    ...head,
    choices(cell, acts),
    cell.probabilities ? el("p", { class: "quiet" }, possible(cell)) : null,
    ...foot,
  ].filter(Boolean);
}

function looks(cell, acts) {
  const heat = cell.heat && el("figure", {},
    el("img", { src: cell.heat, alt: `Where the model looked for ${cell.label}` }),
    el("figcaption", {}, `Where it looked for ${cell.label}`));
  return [el("figure", {}, picture(cell, `The cell of ${cell.name}`, acts.redraw)), heat];
}

/** A button with the key that does the same; `part` names it, so that focus finds it again when it is drawn anew. */
export function keyButton(part, key, text, onclick, attributes = {}) {
  const named = { type: "button", "data-part": part, "aria-keyshortcuts": key, onclick, ...attributes };
  return el("button", named, `${text} `, el("kbd", { "aria-hidden": "true" }, key));
}

function tools(cell, acts) {
  return el("p", { class: "row tools" },
    cell.probabilities && keyButton("heat", "h", "Heat map", acts.heat, { "aria-pressed": String(Boolean(cell.heat)) }),
    keyButton("undo", "u", "Undo", acts.undo, { "aria-disabled": cell.said ? null : "true" }));
}

function choices(cell, acts) {
  const rows = marksOf(cell.classes).map((mark) => el("li", {}, choice(cell, mark, acts)));
  return el("div", { role: "group", "aria-label": "What is it? Press the digit or letter of a class" },
    el("h3", { "aria-hidden": "true" }, "What is it?"),
    el("ul", { class: "choices" }, rows));
}

function choice(cell, { label, keys }, acts) {
  const share = cell.probabilities?.[label];
  const sure = share === undefined ? "" : percent(share);
  const predicted = label === cell.label;
  const spoken = [label, sure, predicted && "the model’s answer", label === cell.said && "said by you"];
  const attributes = {
    type: "button",
    class: predicted ? "choice predicted" : "choice",
    "data-part": label,
    "aria-pressed": String(label === cell.said),
    "aria-keyshortcuts": keys.join(" "),
    "aria-label": spoken.filter(Boolean).join(", "),
    onclick: () => acts.say(label),
  };
  return el("button", attributes,
    el("span", { class: "keys" }, keys.map((key) => el("kbd", {}, key))),
    el("span", { class: "label" }, className(label)),
    share === undefined ? el("span") : bar(share),
    el("span", { class: "number" }, sure));
}
