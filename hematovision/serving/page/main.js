// Who is signed in, and which view is open.

import { byId } from "./elements.js";
import { Gallery } from "./gallery.js";
import { Review } from "./review.js";
import { Service, Trouble } from "./service.js";
import { Status } from "./status.js";
import { alarm, calm } from "./telling.js";

const KEPT = "hematovision-key"; // in this tab only
const VIEWS = ["classify", "review", "status"];
const ENDED = "This key is no longer valid; sign in with another. Your cells are still here until you close the tab.";
const BROKEN = "Something went wrong on this page; reload it. What was recorded stays recorded.";
let views = null;

function keep(key) {
  try { sessionStorage.setItem(KEPT, key); } catch { /* storage may be forbidden: the key then lives as long as the page */ }
}

function kept() {
  try { return sessionStorage.getItem(KEPT); } catch { return null; }
}

function forget() {
  try { sessionStorage.removeItem(KEPT); } catch { /* nothing was kept then */ }
}

function complain(text) {
  const place = byId("sign-in-problem");
  place.hidden = !text;
  place.textContent = text;
  if (text) byId("key").setAttribute("aria-invalid", "true");
  else byId("key").removeAttribute("aria-invalid");
}

async function signIn(key) {
  const holder = await new Service(key).json("v1/key");
  keep(key);
  if (views && (views.holder.name !== holder.name || views.holder.role !== holder.role)) {
    location.reload(); // another person begins anew
    return;
  }
  const service = views?.service ?? new Service(key, () => signOut(ENDED));
  service.key = key;
  byId("key").value = "";
  complain("");
  byId("holder-name").textContent = `${holder.name} (${holder.role})`;
  const model = await service.json("v1/model");
  byId("synthetic").hidden = !model.synthetic;
  views ??= {
    gallery: new Gallery(service, holder),
    review: new Review(service, holder),
    status: new Status(service),
    service,
    holder,
  };
  byId("views").hidden = byId("holder").hidden = false;
  open();
}

function signOut(why = "") {
  forget();
  if (!why) {
    location.replace(location.pathname); // nothing of this person stays in the page
    return;
  }
  byId("views").hidden = byId("holder").hidden = true;
  show("sign-in");
  complain(why);
  byId("key").focus();
}

function show(name) {
  for (const view of [...VIEWS, "sign-in"]) byId(view).hidden = view !== name;
  for (const link of document.querySelectorAll("#views a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${byId(`${name}-title`).textContent} – HematoVision`;
}

function open() {
  const name = VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "classify";
  calm();
  show(name);
  byId(`${name}-title`).focus();
  if (name === "review") views.review.open();
  if (name === "status") views.status.open();
}

async function begin() {
  byId("sign-in-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const key = byId("key").value.trim();
    if (/^[\w-]+$/.test(key)) {
      await attempt(key);
      return;
    }
    complain(key ? "A key holds letters, digits, - and _ only; copy it again." : "Enter your key.");
    byId("key").focus();
  });
  byId("sign-out").addEventListener("click", () => signOut());
  window.addEventListener("hashchange", () => {
    if (views && VIEWS.includes(location.hash.slice(1))) open();
  });
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => event.preventDefault()); // a drop that misses must not leave the page
  }
  const key = kept();
  if (key) {
    await attempt(key);
    return;
  }
  show("sign-in");
  byId("key").focus();
}

async function attempt(key) {
  try {
    await signIn(key);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (error.status === 401) forget();
    show("sign-in");
    complain(error.message);
    byId("key").focus();
  }
}

window.addEventListener("unhandledrejection", () => alarm(BROKEN));
begin();
