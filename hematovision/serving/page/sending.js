// Many pictures to a service that takes so many at a time: in batches, with progress, to be stopped and gone on with.

import { Trouble } from "./service.js";

const TOGETHER = 16; // pictures a request, so that the first answers come soon
const AT_ONCE = 2; // requests
const FORM_BYTES = 512; // around each picture
const ROOM = 0.95; // of what a body may hold

/** Take the next batch off a list of files, as many as one request may bring. */
export function nextBatch(waiting, limits) {
  const most = waiting[0]?.alone ? 1 : Math.min(TOGETHER, limits.images);
  const batch = [];
  let bytes = 0;
  while (waiting.length && batch.length < most && !(batch.length && waiting[0].alone)) {
    bytes += waiting[0].file.size + FORM_BYTES;
    if (batch.length && bytes > ROOM * limits.body_bytes) break;
    batch.push(waiting.shift());
  }
  return batch;
}

/** An item that is to have a request of its own. */
const alone = (item) => ({ ...item, alone: true });

/** Why a file is not worth sending, or null. */
export function unfit(file, limits) {
  if (file.size === 0) return "the file is empty (0 bytes)";
  if (file.size + FORM_BYTES > ROOM * limits.body_bytes) {
    const [has, takes] = [file.size, ROOM * limits.body_bytes].map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`);
    return `the file has ${has}, too large for the service, which takes ${takes} at a time`;
  }
  return null;
}

export class Sending {
  /**
   * @param hooks `answered(item, answer, document)`, `refused(item, reason)`, `moved()` after each batch.
   * @param origin `{site, slide}`, each a text or "".
   */
  constructor(service, limits, origin, hooks) {
    Object.assign(this, { service, limits, origin, hooks, waiting: [], done: 0, total: 0 });
    this.stopper = null;
  }

  /** Put more files into the line. */
  add(items) {
    this.total += items.length;
    for (const [place, item] of items.entries()) {
      const reason = unfit(item.file, this.limits);
      if (reason) this.#refuse(item, reason);
      else this.waiting.push({ ...item, order: this.total - items.length + place });
    }
    this.hooks.moved();
  }

  get running() {
    return this.stopper !== null;
  }

  /** Send until nothing waits. Throws Trouble where the service cannot go on; what is unsent goes on waiting. */
  async run() {
    this.stopper = new AbortController();
    const { signal } = this.stopper;
    try {
      while (this.waiting.length && !signal.aborted) {
        const lines = await Promise.allSettled(Array.from({ length: AT_ONCE }, () => this.#line(signal)));
        const failed = lines.find(({ reason }) => reason && reason.name !== "AbortError");
        if (failed) throw failed.reason;
      }
    } finally {
      this.stopper = null;
      this.hooks.moved();
    }
  }

  /** Stop; what was not answered goes back into the line. */
  stop() {
    this.stopper?.abort(new DOMException("stopped", "AbortError"));
  }

  async #line(signal) {
    for (let batch = nextBatch(this.waiting, this.limits); batch.length; batch = nextBatch(this.waiting, this.limits)) {
      try {
        if (signal.aborted) throw signal.reason;
        await this.#send(batch, signal);
      } catch (error) {
        this.waiting.unshift(...batch);
        this.stop();
        throw error;
      }
      this.hooks.moved();
    }
  }

  async #send(batch, signal) {
    const form = new FormData();
    batch.forEach(({ file }, index) => form.append("images", file, String(index))); // file names may name patients
    try {
      const document = await this.service.json(`v1/predictions${this.#query()}`, { method: "POST", body: form, signal });
      for (const answer of document.predictions) this.#answer(batch[answer.index], answer, document);
      this.#unread(batch, document.errors);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.#handle(batch, error);
    }
  }

  #handle(batch, error) {
    if (Array.isArray(error.members.errors)) this.#unread(batch, error.members.errors);
    else if ([413, 503].includes(error.status) && batch.length > 1) this.waiting.unshift(...batch.map(alone));
    else if (error.status === 413 || error.status === 415) batch.forEach((item) => this.#refuse(item, error.message));
    else throw error;
  }

  #unread(batch, errors) {
    for (const { index, reason, again } of errors) {
      if (again && !batch[index].alone) this.waiting.push(alone(batch[index]));
      else this.#refuse(batch[index], reason);
    }
  }

  #answer(item, answer, document) {
    this.done += 1;
    this.hooks.answered(item, answer, document);
  }

  #refuse(item, reason) {
    this.done += 1;
    this.hooks.refused(item, reason);
  }

  #query() {
    const given = Object.entries(this.origin).filter(([, value]) => value);
    return given.length ? `?${new URLSearchParams(given)}` : "";
  }
}
