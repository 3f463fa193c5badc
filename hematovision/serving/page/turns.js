// Work that talks to the service: in turn, and with what goes wrong told.

import { Trouble } from "./service.js";
import { alarm } from "./telling.js";

/** One word about a cell after the other: a second key press waits until the first is on record. */
export function inTurn(cell, work) {
  const turn = (cell.busy ?? Promise.resolve()).then(work);
  cell.busy = turn.catch(() => {});
  return turn;
}

/** Do it; where the service does not, show why. */
export async function guarded(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    alarm(error.message);
  }
}
