// The service over HTTP. The key travels in a header, never in an address; what is busy is asked again.

const TRIES = 4;
const AWAY = "The service cannot be reached. Is it running, and is this computer connected? Nothing you see here is lost; try again.";

/** Why a request was not answered: `status` 0 where the service is away; `detail` in words a person can act on. */
export class Trouble extends Error {
  constructor(status, detail, members = {}) {
    super(detail);
    this.status = status;
    this.members = members;
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    const timer = setTimeout(() => { signal?.removeEventListener("abort", stop); resolve(); }, 1000 * seconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); stop(); }, { once: true });
  });
}

async function trouble(response) {
  try {
    const problem = await response.json();
    return new Trouble(response.status, problem.detail ?? response.statusText, problem);
  } catch {
    return new Trouble(response.status, `The service answered with ${response.status} ${response.statusText}.`);
  }
}

export class Service {
  /** @param {string} key @param {() => void} refused called where the key is no longer one. */
  constructor(key, refused = () => {}) {
    this.key = key;
    this.refused = refused;
  }

  /** The JSON that answers a request. Throws Trouble, or the signal's reason where it was aborted. */
  async json(path, options = {}) {
    return (await this.#ask(path, options)).json();
  }

  /** The picture that answers a request, as an address for an `img`. */
  async picture(path) {
    return URL.createObjectURL(await (await this.#ask(path, {})).blob());
  }

  /** Send a JSON document. */
  post(path, document) {
    return this.json(path, { method: "POST", body: JSON.stringify(document), headers: { "Content-Type": "application/json" } });
  }

  async #ask(path, options) {
    for (let tried = 1; ; tried += 1) {
      const response = await this.#fetch(path, options);
      if (response.ok) return response;
      const busy = response.headers.get("Retry-After");
      if (busy === null || tried === TRIES) {
        if (response.status === 401) this.refused();
        throw await trouble(response);
      }
      await pause(Math.min(30, Number(busy) || 1) * tried, options.signal);
    }
  }

  async #fetch(path, { headers = {}, signal, ...rest }) {
    try {
      return await fetch(new URL(path, document.baseURI), {
        ...rest,
        signal,
        headers: { ...headers, Authorization: `Bearer ${this.key}` },
        credentials: "omit",
        redirect: "error",
      });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw new Trouble(0, AWAY);
    }
  }
}

/** A client key that no other correction has; works without a secure context, as on a laboratory's own network. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
