// Pictures as people bring them: chosen, dropped (folders and all), or pasted.

const HIDDEN = /(^|\/)(\.[^/]*|__MACOSX|Thumbs\.db|desktop\.ini)(\/|$)/i;

/** A file with its path inside what was brought. */
const named = (file, path) => ({ file, path: path || file.webkitRelativePath || file.name });

/** Files of an `input`. */
export const chosen = (input) => sorted([...input.files].map((file) => named(file)));

/** Files of a drop, those in dropped folders too. */
export async function dropped(transfer) {
  // entries have to be taken before the first await: the list is emptied then
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return sorted([...transfer.files].map((file) => named(file)));
  return sorted((await Promise.all(entries.map(below))).flat());
}

async function below(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [named(file, entry.fullPath.replace(/^\//, ""))];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    found.push(...(await Promise.all(some.map(below))).flat());
  }
}

function sorted(found) {
  const order = new Intl.Collator(undefined, { numeric: true });
  return found.sort((one, other) => order.compare(one.path, other.path));
}

/** Apart: what a person meant to bring, and what their computer put beside it. */
export function withoutHidden(found) {
  return { files: found.filter(({ path }) => !HIDDEN.test(path)), hidden: found.filter(({ path }) => HIDDEN.test(path)).length };
}
