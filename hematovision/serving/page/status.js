// The view that says how the service does: the model, its drift alarms, corrections, answers over time.

import { byId, count, el, moment } from "./elements.js";
import { spans, strips, stripTable } from "./strips.js";
import { calm, say } from "./telling.js";
import { guarded } from "./turns.js";

export class Status {
  /** @param {import("./service.js").Service} service */
  constructor(service) {
    Object.assign(this, { service, asked: 0 });
    byId("status-form").addEventListener("submit", (event) => { event.preventDefault(); this.open(); });
    byId("period").addEventListener("change", () => this.open());
  }

  /** Ask and show. */
  async open() {
    const [period, last] = byId("period").value.split("/");
    this.asked += 1;
    const mine = this.asked;
    await guarded(async () => {
      const found = await this.service.json(`v1/status?${new URLSearchParams({ period, last })}`);
      if (mine !== this.asked) return; // somebody has asked again meanwhile
      calm();
      const unfolded = Boolean(byId("status-content").querySelector("details")?.open);
      byId("status-content").replaceChildren(
        el("div", { class: "tiles" }, model(found), drift(found), corrections(found)),
        answers(found, spans(period, Number(last)), unfolded),
        el("p", { class: "quiet" }, "As of ", moment(new Date().toISOString()), "."));
      say(`Status of ${found.model.name} version ${found.model.version}. ${driftWords(found)}`);
    });
  }
}

const tile = (title, ...content) => el("section", { class: "tile" }, el("h2", {}, title), ...content);

function facts(...pairs) {
  return el("dl", {}, pairs.filter(([, value]) => value).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function model({ model: { name, version, digest, data_version: data, classes }, serving_since: since, shadow, trouble }) {
  return tile("Model",
    el("p", { class: "value" }, `${name}/${version}`),
    ...Object.entries(trouble).map(([part, found]) => el("p", { class: "warning bad" },
      el("strong", {}, `Another ${part} was refused. `), `${found.asked}: ${found.reason}`)),
    facts(
      ["Serving since", moment(since)],
      ["Data version", el("span", { class: "code" }, data)],
      ["Digest", el("span", { class: "code" }, digest)],
      ["Classes", classes.join(", ")],
      ["In its shadow", shadow]));
}

function driftWords({ drift }) {
  const raised = drift.filter(({ state }) => state === "raised");
  if (raised.length) return "A drift alarm stands.";
  return drift.length ? "No drift alarm stands." : "Nobody has looked for drift.";
}

function drift(found) {
  const raised = found.drift.some(({ state }) => state === "raised");
  const lines = found.drift.map((seen) => el("li", {},
    el("strong", {}, seen.site ?? "All sites"),
    seen.state === "raised" ? ": alarm since " : ": calm since ",
    moment(seen.since),
    seen.signals.length ? ` – ${seen.signals.join(", ")}` : "",
    el("span", { class: "quiet" }, ` Last look `, moment(seen.at), `, ${count(seen.n, "picture")}.`)));
  return tile("Drift",
    el("p", { class: `value ${raised ? "bad" : found.drift.length ? "good" : ""}` }, driftWords(found)),
    raised ? el("p", {}, "Pictures no longer look as they did in training: take answers with care until somebody has looked into it.") : null,
    found.drift.length ? null : el("p", {}, "Whether pictures still look as in training is unknown: ",
      el("code", {}, "hematovision monitor --predictions"), " looks."),
    el("ul", {}, lines));
}

function corrections({ feedback, predictions }) {
  const waits = (feedback.pending ?? 0) + (feedback.disputed ?? 0) + (feedback.quarantined ?? 0);
  return tile("Corrections",
    el("p", { class: "value" }, `${waits.toLocaleString()} waiting`),
    facts(
      ...Object.entries(feedback).map(([state, number]) => [state, number.toLocaleString()]),
      ["predictions on record", predictions.toLocaleString()]));
}

function answers({ answers: counted, model: { classes } }, starts, unfolded) {
  const at = new Map(counted.map((interval) => [interval.start, interval]));
  const row = (name, kind, value) => ({ name, kind, values: starts.map((start) => value(at.get(start)) ?? 0) });
  const answered = new Set(counted.flatMap((interval) => Object.keys(interval.classes)));
  const others = [...answered].filter((label) => !classes.includes(label)); // of a model before this one
  const rows = [
    ...[...classes, ...others].map((label) => row(label, "class", (interval) => interval?.classes[label])),
    row("refer to a person", "flagged", (interval) => interval?.referred),
    row("unlike training", "flagged", (interval) => interval?.unlike_training),
  ];
  return el("section", { class: "tile wide" }, el("h2", {}, "Answers by class over time"),
    ...(counted.length
      ? [strips(rows, starts), el("details", { open: unfolded }, el("summary", {}, "As a table"), stripTable(rows, starts))]
      : [el("p", { class: "empty" }, "Nothing was answered in this time.")]));
}
