// A key for every class: its digit, and a letter of its name.

const TAKEN = new Set(["a", "h", "r", "u"]); // accept, heat map, reject, undo

/** A digit (for the first nine) and a letter (a free one of its name, the earliest) for each class. */
export function marksOf(classes) {
  const used = new Set(TAKEN);
  return classes.map((label, index) => {
    const letter = [...label.toLowerCase()].find((sign) => /[a-z]/.test(sign) && !used.has(sign)) ?? null;
    if (letter) used.add(letter);
    return { label, keys: [index < 9 ? String(index + 1) : null, letter].filter(Boolean) };
  });
}

/** The class a key stands for, or undefined. */
export function labelOf(marks, key) {
  return marks.find((mark) => mark.keys.includes(key.toLowerCase()))?.label;
}
