// The view that reviews: what waits for this person, the most urgent first, and their word on it.

import { Bench } from "./bench.js";
import { byId, count, el } from "./elements.js";
import { history, question, reviewed, waitingCell } from "./reviewed.js";
import { newKey } from "./service.js";
import { calm, say } from "./telling.js";
import { Thumbnails } from "./thumbnails.js";
import { guarded, inTurn } from "./turns.js";

const AT_A_TIME = 50;

export class Review {
  /** @param {import("./service.js").Service} service @param holder what `/v1/key` says. */
  constructor(service, holder) {
    Object.assign(this, { service, holder, model: null, asked: 0 });
    const turn = (work) => (cell, ...rest) => inTurn(cell, () => work(cell, ...rest));
    const acts = {
      say: turn((cell, label) => this.#say(cell, label)),
      agree: turn((cell) => this.#say(cell, cell.proposed)),
      reject: turn((cell) => this.#reject(cell)),
    };
    this.bench = new Bench(byId("queue"), {
      title: "Cells that wait for you",
      say: acts.say,
      undo: turn((cell) => this.#undo(cell)),
      heatMap: (cell) => service.picture(`v1/predictions/${cell.prediction}/explanation`),
      seen: (cell) => this.#learn(cell),
      head: (cell) => question(cell, {
        agree: () => guarded(() => acts.agree(cell)),
        reject: () => guarded(() => acts.reject(cell)),
      }),
      foot: (cell) => history(cell),
      keys: { a: acts.agree, r: acts.reject },
    });
    this.thumbnails = new Thumbnails((cell) => this.#picture(cell));
    byId("review-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.open();
    });
    byId("review-form").hidden = !holder.votes_as;
    byId("review-role").replaceChildren(role(holder));
  }

  /** Ask what waits, and show it. */
  async open() {
    if (!this.holder.votes_as) return;
    this.asked += 1;
    const mine = this.asked;
    calm();
    await guarded(async () => {
      const site = byId("review-site").value.trim();
      const wanted = new URLSearchParams({ limit: AT_A_TIME, ...(site && { site }) });
      this.model = await this.service.json("v1/model");
      const { waiting } = await this.service.json(`v1/review/queue?${wanted}`);
      if (mine === this.asked) this.#fill(waiting); // else somebody has asked again meanwhile
    });
  }

  #fill(waiting) {
    this.bench.clear();
    this.thumbnails.clear();
    byId("queue").hidden = !waiting.length;
    for (const one of waiting) {
      const cell = waitingCell(one, this.model.classes);
      this.thumbnails.watch(this.bench.add(cell), cell);
    }
    const more = waiting.length === AT_A_TIME ? ", or more" : "";
    const told = waiting.length ? `${count(waiting.length, "cell")}${more} to look at.` : "Nothing waits for you.";
    this.#empty(waiting.length ? "" : told);
    say(told);
  }

  #empty(text) {
    byId("review-empty").hidden = !text;
    byId("review-empty").textContent = text;
  }

  async #picture(cell) {
    const kind = cell.item ? "review/items" : "predictions";
    cell.picture = await this.service.picture(`v1/${kind}/${cell.id}/picture`);
    this.bench.refresh(cell);
  }

  /** Fetch what the panel shows, once. */
  async #learn(cell) {
    if (cell.learnt) return;
    cell.learnt = true;
    try {
      reviewed(cell, cell.item
        ? await this.service.json(`v1/review/items/${cell.id}`)
        : { prediction: await this.service.json(`v1/predictions/${cell.id}`) });
      this.bench.refresh(cell);
    } catch (error) {
      cell.learnt = false;
      throw error;
    }
  }

  #say(cell, label) {
    if (!cell.item) return this.#correct(cell, label);
    if (label === cell.proposed) return this.#vote(cell, { verdict: "accept", label });
    return this.#vote(cell, { verdict: "reject", label, client_key: newKey() });
  }

  async #reject(cell) {
    if (cell.item) await this.#vote(cell, { verdict: "reject" });
    else say("Press the class that it is.");
  }

  async #vote(cell, given) {
    const taken = await this.service.post(`v1/review/items/${cell.id}/votes`, given);
    const word = given.verdict === "accept" ? "accepted" : "rejected";
    const instead = given.verdict === "reject" && given.label ? ` and said ${given.label}` : "";
    const { state, reason } = taken;
    Object.assign(cell, { said: given.label ?? `not ${cell.proposed}`, note: `you ${word}`, state, reason, voted: true, done: true });
    this.#forward(cell, `You ${word} ${cell.proposed}${instead}; it is ${state}.`);
  }

  async #correct(cell, label) {
    const taken = await this.service.post("v1/feedback", { prediction_id: cell.prediction, label, client_key: newKey() });
    const word = label === cell.predicted ? "confirmed" : "corrected";
    Object.assign(cell, { said: label, note: word, submitted: taken.id, done: true });
    this.#forward(cell, `You ${word} it: ${label}, ${taken.state}.`);
  }

  /** Show what was said, and go on to the next that is not done. */
  #forward(cell, told) {
    calm();
    this.bench.refresh(cell);
    const next = this.bench.next((one) => !one.done);
    const left = this.bench.cells.filter((one) => !one.done).length;
    say(next ? `${told} ${left} left.` : `${told} That was the last.`);
    this.#empty(next ? "" : "All of these are done. Reload to see whether more waits.");
  }

  async #undo(cell) {
    if (!cell.submitted) {
      say(cell.voted ? "A vote is not unsaid: vote again, your last vote counts." : "There is nothing to undo here.");
      return;
    }
    await this.service.json(`v1/feedback/${cell.submitted}`, { method: "DELETE" });
    Object.assign(cell, { said: null, note: "", submitted: null, done: false });
    this.bench.refresh(cell);
    this.#empty("");
    say("Taken back.");
  }
}

function role({ role: held, votes_as: votes }) {
  if (!votes) {
    const why = `Reviewing takes a key of the role review or senior; yours has ${held}. Ask whoever runs the service.`;
    return el("span", { class: "refused" }, why);
  }
  const decides = votes === "senior"
    ? "a senior: your vote decides."
    : "a reviewer: two who agree decide; a senior’s vote decides alone.";
  return el("span", {}, `You vote as ${decides} Nobody votes on their own correction.`);
}
