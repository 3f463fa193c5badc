// Comma-separated values that no spreadsheet takes for a formula.

function field(value) {
  const text = String(value);
  const plain = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** Rows as RFC 4180 text. */
export const table = (rows) => `${rows.map((row) => row.map(field).join(",")).join("\r\n")}\r\n`;
