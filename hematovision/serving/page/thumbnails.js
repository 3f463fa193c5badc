// Pictures that need a key, fetched when they come into view, a few at once.

import { Trouble } from "./service.js";

const AT_ONCE = 4;

export class Thumbnails {
  /** @param {(cell: object) => Promise<void>} fetch gets and shows one; what fails leaves it without a preview. */
  constructor(fetch) {
    Object.assign(this, { fetch, cells: new WeakMap(), waiting: [], busy: 0 });
    this.watcher = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "200px" });
  }

  /** Fetch the picture of a cell once this element comes into view. */
  watch(element, cell) {
    this.cells.set(element, cell);
    this.watcher.observe(element);
  }

  /** Forget all that has not begun. */
  clear() {
    this.watcher.disconnect();
    this.waiting = [];
  }

  #seen(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.watcher.unobserve(target);
      this.waiting.push(this.cells.get(target));
    }
    while (this.busy < AT_ONCE && this.waiting.length) this.#next();
  }

  async #next() {
    this.busy += 1;
    while (this.waiting.length) {
      try {
        await this.fetch(this.waiting.shift());
      } catch (error) {
        if (!(error instanceof Trouble)) throw error;
      }
    }
    this.busy -= 1;
  }
}
