// Cells in a list that arrow keys move through, and a panel about the one that is chosen.

import { described, thumbnail } from "./cells.js";
import { el } from "./elements.js";
import { labelOf, marksOf } from "./marks.js";
import { panelOf } from "./panel.js";
import { say } from "./telling.js";
import { guarded } from "./turns.js";

const TYPING = /^(INPUT|SELECT|TEXTAREA)$/;
let numbered = 0;

export class Bench {
  /**
   * @param place the element it fills.
   * @param about what it is about:
   *   `title` of the list; `say(cell, label)` records what a person says, `undo(cell)` takes it back; `heatMap(cell)`
   *   gives an address; `redraw(cell)` is called where its picture cannot be shown; `seen(cell)` where it is chosen;
   *   `head(cell)` and `foot(cell)` give further elements of the panel; `keys` maps further keys to what they do.
   */
  constructor(place, about) {
    this.about = about;
    this.wanted = () => true;
    this.list = el("ul", { role: "listbox", class: "cells", "aria-label": about.title });
    this.panel = el("section", { class: "panel", "aria-label": "The chosen cell", tabindex: "-1" });
    this.clear();
    place.append(el("div", { class: "sides" }, this.list, this.panel));
    for (const name of ["click", "focusin"]) this.list.addEventListener(name, (event) => this.#reached(event));
    this.list.addEventListener("keydown", (event) => this.#moved(event));
    for (const part of [this.list, this.panel]) part.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** Put a cell into the list, by its `order` where it has one: answers do not come in the order of the pictures. */
  add(cell) {
    numbered += 1;
    const option = el("li", { role: "option", id: `cell-${numbered}`, tabindex: "-1", "aria-selected": "false" });
    let place = this.cells.length;
    while (place > 0 && this.cells[place - 1].order > cell.order) place -= 1;
    this.list.insertBefore(option, this.options.get(this.cells[place]) ?? null);
    this.cells.splice(place, 0, cell);
    this.options.set(cell, option);
    this.#draw(cell);
    option.hidden = !this.wanted(cell);
    if (!this.current && !option.hidden) this.choose(cell, { focus: false });
    return option;
  }

  /** Empty the list. */
  clear() {
    Object.assign(this, { cells: [], options: new Map(), current: null });
    this.list.replaceChildren();
    this.panel.replaceChildren();
  }

  /** Show only cells for which `wanted` holds. */
  filter(wanted) {
    this.wanted = wanted;
    for (const [cell, option] of this.options) option.hidden = !wanted(cell);
    const gone = !this.current || this.options.get(this.current).hidden;
    if (gone) this.choose(this.#shown()[0] ?? null, { focus: false });
  }

  /** Make one cell the chosen one; null chooses none. */
  async choose(cell, { focus = true } = {}) {
    this.#select(this.current, false);
    this.current = cell;
    this.#select(cell, true);
    this.#drawPanel();
    if (!cell) return;
    const option = this.options.get(cell);
    if (focus) option.focus();
    if (focus) option.scrollIntoView({ block: "nearest" });
    await guarded(() => this.about.seen?.(cell));
  }

  /** Draw a cell anew after it changed; the focus stays where it is. */
  refresh(cell) {
    if (this.options.has(cell)) this.#draw(cell);
    if (cell !== this.current) return;
    const part = this.panel.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    this.#drawPanel();
    if (part) (this.panel.querySelector(`[data-part="${CSS.escape(part)}"]`) ?? this.panel).focus();
  }

  /** Choose the next cell for which `wanted` holds, after the present one, else from the start; null where none is. */
  next(wanted) {
    const shown = this.#shown();
    const here = shown.indexOf(this.current);
    const found = [...shown.slice(here + 1), ...shown.slice(0, here)].find(wanted) ?? null;
    if (found) this.choose(found);
    return found;
  }

  #shown() {
    return this.cells.filter((cell) => !this.options.get(cell).hidden);
  }

  #select(cell, chosen) {
    const option = this.options.get(cell);
    option?.setAttribute("aria-selected", String(chosen));
    option?.setAttribute("tabindex", chosen ? "0" : "-1");
  }

  /** Whichever way a cell comes to have the focus, keys are about it and no other: screen readers move it too. */
  #reached(event) {
    const option = event.target.closest("[role=option]");
    const cell = this.cells.find((one) => this.options.get(one) === option);
    if (cell && cell !== this.current) this.choose(cell);
  }

  #moved(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") {
      event.preventDefault();
      this.panel.focus();
      return;
    }
    const shown = this.#shown();
    const there = this.#target(event.key, shown);
    if (there === null || !shown.length) return;
    event.preventDefault();
    this.choose(shown[there]);
  }

  /** Where a key leads in the list, or null. */
  #target(key, shown) {
    const wide = this.#columns(shown);
    const ends = { Home: 0, End: shown.length - 1 };
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide, PageDown: 4 * wide, PageUp: -4 * wide };
    if (Object.hasOwn(ends, key)) return ends[key];
    if (!Object.hasOwn(steps, key)) return null;
    return Math.max(0, Math.min(shown.length - 1, shown.indexOf(this.current) + steps[key]));
  }

  #columns(shown) {
    const top = shown.length ? this.options.get(shown[0]).offsetTop : 0;
    const wide = shown.findIndex((cell) => this.options.get(cell).offsetTop > top);
    return wide === -1 ? Math.max(1, shown.length) : wide;
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.current || TYPING.test(event.target.tagName)) return;
    if (event.key === "Escape" && this.panel.contains(event.target)) {
      this.choose(this.current);
      return;
    }
    const act = this.#meant(this.current, event.key.toLowerCase());
    if (!act) return;
    event.preventDefault();
    guarded(act);
  }

  /** What a key does to a cell, or null. */
  #meant(cell, key) {
    const label = labelOf(marksOf(cell.classes), key);
    if (label) return () => this.about.say(cell, label);
    if (key === "h" && cell.probabilities) return () => this.#heat(cell);
    if (key === "u") return () => this.about.undo(cell);
    const further = this.about.keys ?? {};
    return Object.hasOwn(further, key) ? () => further[key](cell) : null;
  }

  async #heat(cell) {
    if (cell.heat) {
      cell.heat = null;
    } else {
      say("Drawing where the model looked …");
      cell.heat = await this.about.heatMap(cell);
      say(`Heat map shown: where the model looked for ${cell.label}.`);
    }
    this.refresh(cell);
  }

  #draw(cell) {
    const option = this.options.get(cell);
    option.setAttribute("aria-label", described(cell));
    option.classList.toggle("done", cell.done);
    option.replaceChildren(...thumbnail(cell, () => this.about.redraw?.(cell)));
  }

  #drawPanel() {
    const cell = this.current;
    const acts = {
      say: (label) => guarded(() => this.about.say(cell, label)),
      undo: () => guarded(() => this.about.undo(cell)),
      heat: () => guarded(() => this.#heat(cell)),
      redraw: () => this.about.redraw?.(cell),
    };
    const further = { head: cell ? this.about.head?.(cell) : [], foot: cell ? this.about.foot?.(cell) : [] };
    this.panel.replaceChildren(...(cell ? panelOf(cell, acts, further) : []));
  }
}
