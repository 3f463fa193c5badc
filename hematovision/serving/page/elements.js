// Elements, made from text alone: nothing that comes from outside is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

const there = (child) => child !== null && child !== undefined && child !== false && child !== "";

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter(there));
  return node;
}

/** An HTML element; attributes that are null or false are left out, `onclick` and its like are listeners. */
export function el(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

/** The element of this id. */
export const byId = (id) => document.getElementById(id);

/** The name of a class, which may break after an underscore. */
export function className(label) {
  return label.split(/(?<=_)/).flatMap((part, place) => (place ? [el("wbr"), part] : [part]));
}

/** A probability as people read it; never 0 or 100 %, which no calibrated answer is. */
export function percent(share) {
  if (share >= 0.9995) return "> 99.9 %";
  if (share < 0.0005) return "< 0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

/** A bar as long as a share of its place, 0 to 1; decoration beside the number. */
export function bar(share) {
  const filled = el("span");
  filled.style.setProperty("--share", String(share));
  return el("span", { class: "bar", "aria-hidden": "true" }, filled);
}

/** A moment of the service (ISO 8601) in the reader's own zone. */
export function moment(text) {
  const time = new Date(text);
  const shown = Number.isNaN(time.getTime()) ? text : time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return el("time", { datetime: text }, shown);
}

/** `1 picture`, `2 pictures`. */
export const count = (n, noun, plural = `${noun}s`) => `${n.toLocaleString()} ${n === 1 ? noun : plural}`;
