// A cell of the review queue: what is known of it, what is asked about it, what happened to it.

import { count, el, moment, percent } from "./elements.js";
import { keyButton } from "./panel.js";

/** An entry of the queue as a bench shows it, before more is fetched. */
export function waitingCell(one, classes) {
  const item = one.kind === "item";
  return {
    ...one,
    item,
    name: item ? `Correction: ${one.label}` : `Not looked at yet: ${one.predicted}`,
    label: one.predicted ?? "not asked",
    proposed: one.label ?? one.predicted,
    prediction: item ? null : one.id,
    note: item ? one.state : "",
    classes,
    brief: true,
    picture: null, heat: null, probability: null, probabilities: null, set: [], because: [],
    unlike: false, refer: false, said: null, submitted: null, done: false,
  };
}

/** Lay what was fetched beside it: a prediction, an item with its history, or both. */
export function reviewed(cell, { prediction, item, classes, history: lines, shadow }) {
  if (prediction) {
    Object.assign(cell, {
      prediction: prediction.id,
      probabilities: prediction.probabilities,
      probability: prediction.probabilities[prediction.label],
      set: prediction.set,
      unlike: prediction.unlike_training,
      refer: prediction.refer,
      classes: Object.keys(prediction.probabilities),
    });
  }
  if (item) Object.assign(cell, { by: item.by, reason: item.reason, state: item.state, classes });
  Object.assign(cell, { history: lines ?? [], shadow });
}

/** What stands to be decided, and the buttons for it: `agree()` and `reject()`. */
export function question(cell, { agree, reject }) {
  const agreeing = keyButton("agree", "a", `${cell.item ? "Accept" : "Confirm"} ${cell.proposed}`, agree, { class: "main" });
  const rejecting = cell.item && keyButton("reject", "r", "Reject", reject);
  const people = cell.item ? `${cell.by ?? "Somebody"} says ${cell.proposed}.` : "Nobody has looked at it.";
  return [
    el("p", {}, el("strong", {}, people), ` ${models(cell)}`),
    cell.reason && el("p", { class: "warning warn" }, standing(cell)),
    el("p", { class: "row" }, agreeing, rejecting),
    el("p", { class: "quiet" }, cell.item
      ? "A class says what it is: the proposed one accepts, another rejects and proposes that one instead."
      : "A class says what it is: it confirms or corrects the model."),
  ].filter(Boolean);
}

function standing({ item, state, reason }) {
  if (!item) return `${reason}.`;
  return state === "quarantined" ? `Set aside: ${reason}. To accept it takes a senior.` : `${state}: ${reason}.`;
}

function models({ predicted, probability, shadow }) {
  if (!predicted) return "The model was not asked.";
  const sure = probability === null ? "" : ` (${percent(probability)})`;
  const second = shadow ? ` The challenger says ${shadow.label} (${percent(shadow.probabilities[shadow.label])}).` : "";
  return `The model says ${predicted}${sure}.${second}`;
}

/** Its lines of history, folded away. */
export function history(cell) {
  if (!cell.history?.length) return [];
  const lines = cell.history.map((line) => {
    const who = line.role ? `${line.by} (${line.role})` : line.by;
    const did = line.verdict ? `voted to ${line.verdict}` : line.action;
    return el("li", {}, moment(line.time), ` ${who}: ${did}, then ${line.state}${line.reason ? ` – ${line.reason}` : ""}`);
  });
  return [el("details", {}, el("summary", {}, `History, ${count(lines.length, "line")}`), el("ol", { class: "history" }, lines))];
}
