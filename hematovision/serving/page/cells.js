// What a cell is on this page, and how it is told in words and pictures.

import { bar, className, count, el, percent } from "./elements.js";

/**
 * A cell as a bench shows it.
 * @typedef {object} Cell
 * @property {string} name what it is called in the list.
 * @property {string|null} picture an address of its picture. @property {string|null} heat one of its heat map.
 * @property {string[]} classes that it can be. @property {string} label what the model says.
 * @property {string} [proposed] what a correction says.
 * @property {number|null} probability of the label. @property {Object<string, number>|null} probabilities of all classes.
 * @property {string[]} set classes that cannot be excluded. @property {number} [confidence] of the set.
 * @property {boolean} unlike the training cells. @property {boolean} refer to a person. @property {string[]} because why.
 * @property {string|null} said what this person says. @property {string} note a word on its state.
 * @property {boolean} [brief] in the list only what is to be decided, not what the model says.
 * @property {boolean} done whether this person is done with it.
 */

/** All that matters of a cell in one line, for the ear. */
export function described(cell) {
  const sure = cell.probability === null ? "" : `, ${percent(cell.probability)}`;
  return [
    cell.name,
    `model: ${cell.label}${sure}`,
    cell.unlike && "unlike training",
    cell.refer && "refer to a person",
    cell.said && `you said ${cell.said}`,
    cell.note,
  ].filter(Boolean).join("; ");
}

/** Its picture; `unreadable` is called where the browser cannot show it. */
export function picture(cell, alt, unreadable) {
  if (!cell.picture) {
    const spoken = alt ? { role: "img", "aria-label": `${alt}: no preview` } : {};
    return el("span", { class: "no-picture", ...spoken }, "no preview");
  }
  const onerror = ({ target }) => target.src === cell.picture && unreadable();
  return el("img", { src: cell.picture, alt, loading: "lazy", decoding: "async", onerror });
}

/** What stands in its place in the list. */
export function thumbnail(cell, unreadable) {
  const flag = (kind, text) => el("span", { class: `flag ${kind}` }, text);
  return [
    picture(cell, "", unreadable),
    el("span", { class: "label" }, className(cell.said ?? cell.proposed ?? cell.label)),
    cell.brief ? null : el("span", { class: "chance" }, bar(cell.probability), percent(cell.probability)),
    el("span", { class: "flags" },
      cell.unlike && !cell.brief ? flag("bad", "unlike training") : null,
      cell.refer && !cell.unlike && !cell.brief ? flag("warn", "refer") : null,
      cell.note ? flag(cell.done ? "good" : "", cell.note) : null),
  ].filter(Boolean);
}

/** What a person has to know before they believe the model. */
export function warnings(cell) {
  const strange = el("p", { class: "warning bad" },
    el("strong", {}, "Unlike anything the model was trained on."), " Its class means nothing here.");
  const refer = el("p", { class: "warning warn" },
    el("strong", {}, "Refer to a person"), cell.because.length ? `: ${cell.because.join("; ")}.` : ".");
  return [cell.unlike && strange, cell.refer && refer].filter(Boolean);
}

/** The prediction set in a sentence. */
export function possible({ set, confidence }) {
  const sure = confidence ? ` at ${Math.round(100 * confidence)} %` : "";
  if (!set.length) return `No class fits well${sure}.`;
  if (set.length === 1) return `Only ${set[0]} is left${sure}.`;
  return `${count(set.length, "class", "classes")} cannot be excluded${sure}: ${set.join(", ")}.`;
}
