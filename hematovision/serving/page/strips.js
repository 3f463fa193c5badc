// Counts over time: one strip of bars a row, all to one scale, and the same numbers as a table.

import { el, svg } from "./elements.js";

/** Every hour or day of a span, oldest first, in the form the service counts by (UTC). */
export function spans(period, last, now = new Date()) {
  const step = period === "hour" ? 3_600_000 : 86_400_000;
  const length = period === "hour" ? 13 : 10;
  return Array.from({ length: last }, (_, place) => new Date(now.getTime() - (last - 1 - place) * step).toISOString().slice(0, length));
}

/** `22 Nov`, or `22 Nov, 09 h`: UTC, as the service counts. */
export function spanName(start) {
  const day = new Date(`${start.slice(0, 10)}T00:00:00Z`).toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
  return start.length > 10 ? `${day}, ${start.slice(11)} h` : day;
}

/** Rows `{name, values, kind}` with a value for each span, as strips of bars. */
export function strips(rows, starts) {
  const top = Math.max(1, ...rows.flatMap(({ values }) => values));
  return el("figure", { class: "strips" },
    el("ul", {}, rows.map((row) => strip(row, starts, top))),
    el("p", { class: "axis quiet", "aria-hidden": "true" },
      el("span", {}, spanName(starts[0])),
      el("span", {}, `${spanName(starts.at(-1))} (UTC)`)),
    el("figcaption", { class: "quiet" }, `Tallest bar: ${top.toLocaleString()}. All rows have one scale.`));
}

function strip({ name, values, kind }, starts, top) {
  const total = values.reduce((sum, value) => sum + value, 0).toLocaleString();
  const bars = values.map((value, place) => svg("rect",
    { x: place + 0.08, width: 0.84, y: 1 - value / top, height: value / top },
    svg("title", {}, `${name}, ${spanName(starts[place])}: ${value.toLocaleString()}`)));
  const attributes = {
    viewBox: `0 0 ${starts.length} 1`,
    preserveAspectRatio: "none",
    class: `strip ${kind}`,
    role: "img",
    "aria-label": `${name}: ${total} in all, at most ${Math.max(0, ...values).toLocaleString()} at a time`,
  };
  return el("li", {}, el("span", { class: "label" }, name), svg("svg", attributes, bars), el("span", { class: "number" }, total));
}

/** The same numbers as a table, spans without any left out. */
export function stripTable(rows, starts) {
  const kept = starts.map((start, place) => ({ start, place })).filter(({ place }) => rows.some(({ values }) => values[place]));
  const head = el("tr", {},
    el("th", { scope: "col" }, "from"),
    rows.map(({ name }) => el("th", { scope: "col", class: "number" }, name)));
  const body = kept.map(({ start, place }) => el("tr", {},
    el("th", { scope: "row" }, spanName(start)),
    rows.map(({ values }) => el("td", { class: "number" }, values[place].toLocaleString()))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Answers over time, as a table" },
    el("table", {},
      el("caption", {}, "Answers by class over time (UTC)"),
      el("thead", {}, head),
      el("tbody", {}, body)));
}
