// The view that classifies: pictures in, a gallery of answers, corrections by one key.

import { Bench } from "./bench.js";
import { byId, count, el } from "./elements.js";
import { chosen, dropped, withoutHidden } from "./files.js";
import { Sending } from "./sending.js";
import { Trouble, newKey } from "./service.js";
import { alarm, calm, say } from "./telling.js";
import { table } from "./table.js";
import { guarded, inTurn } from "./turns.js";

const WANTED = {
  all: () => true,
  refer: (cell) => cell.refer,
  unlike: (cell) => cell.unlike,
  said: (cell) => cell.said !== null,
};

export class Gallery {
  /** @param {import("./service.js").Service} service @param holder what `/v1/key` says. */
  constructor(service, holder) {
    Object.assign(this, { service, holder, sending: null, refused: 0 });
    this.bench = new Bench(byId("gallery"), {
      title: "Answered cells",
      say: (cell, label) => inTurn(cell, () => this.#correct(cell, label)),
      undo: (cell) => inTurn(cell, () => this.#undo(cell)),
      heatMap: (cell) => service.picture(`v1/predictions/${cell.id}/explanation`),
      redraw: (cell) => this.#redraw(cell),
      foot: (cell) => [
        el("p", {}, saidOf(cell)),
        el("p", { class: "quiet" }, `Answered by ${cell.model}; strangeness ${cell.strangeness.toFixed(2)}; id ${cell.id}`),
      ],
    });
    this.#listen();
  }

  /** Send pictures and show what is answered. */
  async take(found) {
    const { files, hidden } = withoutHidden(found);
    if (hidden) say(`${count(hidden, "hidden file")} left out.`);
    if (!files.length) {
      alarm("There is no picture in what you brought.");
      return;
    }
    calm();
    this.sending ??= new Sending(this.service, this.holder.limits, {}, {
      answered: (item, answer, document) => this.#answered(item, answer, document),
      refused: (item, reason) => this.#leaveOut(item.path, reason),
      moved: () => this.#tell(),
    });
    this.sending.add(files);
    await this.#send();
  }

  async #send() {
    if (this.sending.running || !originTold()) return;
    this.sending.origin = { site: byId("site").value.trim(), slide: byId("slide").value.trim() };
    calm();
    await guarded(() => this.sending.run());
    const left = this.sending.waiting.length;
    say(left ? `Stopped. ${count(left, "picture")} not sent.` : `Done: ${this.#words()}.`);
  }

  #listen() {
    this.#listenToDrops();
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length && !byId("classify").hidden) this.take(files.map((file) => ({ file, path: file.name })));
    });
    for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
      byId(button).addEventListener("click", () => byId(input).click());
      byId(input).addEventListener("change", ({ target }) => {
        const found = chosen(target);
        target.value = ""; // so that choosing the same again counts
        this.take(found);
      });
    }
    byId("cancel").addEventListener("click", () => this.sending.stop());
    byId("resume").addEventListener("click", () => this.#send());
    byId("shown").addEventListener("change", () => this.#filter());
    byId("save").addEventListener("click", () => save(this.bench.cells));
    window.addEventListener("beforeunload", (event) => {
      if (this.sending?.running) event.preventDefault();
    });
  }

  #listenToDrops() {
    const drop = byId("drop");
    const over = (event) => {
      event.preventDefault();
      drop.classList.toggle("over", event.type === "dragenter" || event.type === "dragover");
    };
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) drop.addEventListener(name, over);
    drop.addEventListener("drop", async (event) => this.take(await dropped(event.dataTransfer)));
  }

  #answered({ file, path, order }, answer, { model, confidence }) {
    byId("gallery").hidden = false;
    this.bench.add({
      ...answer, order, confidence, name: path, picture: URL.createObjectURL(file), unlike: answer.unlike_training,
      because: answer.refer_because, said: null, note: "", done: false, classes: model.classes, heat: null,
      model: `${model.name}/${model.version}`, sayings: [],
    });
  }

  #leaveOut(path, reason) {
    this.refused += 1;
    const left = byId("left-out");
    left.hidden = false;
    left.querySelector("summary").textContent = `${count(this.refused, "file")} not answered`;
    left.querySelector("ul").append(el("li", {}, el("strong", {}, path), `: ${reason}`));
  }

  #tell() {
    const { done, total, running, waiting } = this.sending;
    byId("sending").hidden = !running && !waiting.length;
    byId("sent-text").textContent = `${done.toLocaleString()} of ${count(total, "picture")} ${running ? "sent …" : "sent; stopped"}`;
    Object.assign(byId("sent"), { max: Math.max(1, total), value: done });
    byId("cancel").hidden = !running;
    byId("resume").hidden = running || !waiting.length;
    byId("tally").textContent = this.#words();
  }

  #words() {
    const cells = this.bench.cells;
    const refer = cells.filter((cell) => cell.refer).length;
    const refused = this.refused ? `, ${count(this.refused, "file")} not answered` : "";
    return `${count(cells.length, "cell")} answered, ${refer.toLocaleString()} to refer to a person${refused}`;
  }

  #filter() {
    this.bench.filter(WANTED[byId("shown").value]);
  }

  async #correct(cell, label) {
    if (cell.said === label) { say(`You have said ${label} already.`); return; }
    const taken = await this.#submit(cell, label);
    cell.sayings.push({ label, item: taken.id });
    this.#show(cell, taken.state);
    say(`${label === cell.label ? "Confirmed" : "Corrected"}: ${label}, ${taken.state}.`);
  }

  #submit(cell, label) {
    return this.service.post("v1/feedback", { prediction_id: cell.id, label, client_key: newKey() });
  }

  /** Take back the last word; the one before it, which it had replaced, is said again. */
  async #undo(cell) {
    const last = cell.sayings.at(-1);
    if (!last) { say("There is nothing to undo."); return; }
    await this.service.json(`v1/feedback/${last.item}`, { method: "DELETE" });
    cell.sayings.pop();
    const before = cell.sayings.at(-1);
    const taken = before ? await this.#submit(cell, before.label) : null;
    if (taken) before.item = taken.id;
    this.#show(cell, taken?.state ?? null);
    say(before ? `Taken back; ${before.label} again.` : "Taken back.");
  }

  #show(cell, state) {
    cell.said = cell.sayings.at(-1)?.label ?? null;
    cell.done = cell.said !== null;
    cell.note = cell.said === null ? "" : cell.said === cell.label ? "confirmed" : "corrected";
    cell.state = state;
    this.bench.refresh(cell);
  }

  /** A format the browser cannot show, such as TIFF: the service draws it as PNG. */
  async #redraw(cell) {
    const own = cell.picture;
    cell.picture = null;
    if (!cell.redrawn) {
      cell.redrawn = true;
      URL.revokeObjectURL(own);
      try {
        cell.picture = await this.service.picture(`v1/predictions/${cell.id}/picture`);
      } catch (error) {
        if (!(error instanceof Trouble)) throw error;
      }
    }
    this.bench.refresh(cell);
  }
}

/** Whether the service will take what was said of the cells' origin; else says what it takes. */
function originTold() {
  const wrong = ["site", "slide"].map(byId).find((input) => !input.checkValidity());
  if (!wrong) return true;
  wrong.closest("details").open = true;
  alarm("Name the laboratory and the slide with letters, digits, spaces and . _ : / # - only, beginning with a letter or a digit; then send the rest.");
  wrong.focus();
  return false;
}

function saidOf(cell) {
  if (cell.said === null) return "Right or wrong? Confirm or correct it; that becomes training data only once others agree.";
  return `You said ${cell.said}: ${cell.state}. It becomes training data only once others agree.`;
}

function save(cells) {
  const head = ["file", "label", "probability", "set", "refer", "unlike_training", "said", "model", "prediction_id"];
  const rows = cells.map((cell) => [
    cell.name, cell.label, cell.probability, cell.set.join("; "), cell.refer, cell.unlike, cell.said ?? "", cell.model, cell.id,
  ]);
  const place = URL.createObjectURL(new Blob([table([head, ...rows])], { type: "text/csv" }));
  el("a", { href: place, download: "hematovision.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(place), 1000);
}
