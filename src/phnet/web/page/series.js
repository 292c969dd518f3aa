// Several composites in a row: a list of them, each with its state and its download.

import { files, find, form, MODES } from "./chosen.js";

let rows = []; // { file, item, button, link }
let running = false;
let work = null; // harmonizes what is shown
let take = null; // shows another file

export function start(harmonize, taking) { [work, take] = [harmonize, taking]; }

// Begin a list; one file is no list.
export function list(files) {
  running = false;
  rows = files.length > 1 ? [...files].map(row) : [];
  find("series").hidden = !rows.length;
  find("rows").replaceChildren(...rows.map(({ item }) => item));
  mark(rows[0]);
}

function row(file) {
  const item = document.createElement("li");
  const button = Object.assign(document.createElement("button"),
    { type: "button", className: "quiet", textContent: file.name });
  const link = Object.assign(document.createElement("a"), { hidden: true, textContent: "Download" });
  const made = { file, item, button, link };
  button.addEventListener("click", () => choose(made));
  item.append(button, link);
  return made;
}

function mark(one) {
  for (const { button } of rows) button.ariaCurrent = String(button === one?.button);
}

async function choose(one) {
  mark(one);
  if (files.has(MODES.harmonize.mask)) { // it was another picture's
    form.elements[MODES.harmonize.mask].value = "";
    await take(MODES.harmonize.mask, undefined);
  }
  await take(MODES.harmonize.subject, one.file);
}

// A result of the picture that is shown now.
export function done(picture, name) {
  const one = rows.find(({ button }) => button.ariaCurrent === "true");
  if (!one) return;
  URL.revokeObjectURL(one.link.href);
  Object.assign(one.link, { href: URL.createObjectURL(picture), download: name, hidden: false });
}

async function all() {
  running = true;
  for (const one of rows) {
    if (!running || !rows.includes(one)) break;
    await choose(one);
    if (running) await work();
  }
  running = false;
}

find("all").addEventListener("click", all);
find("cancel").addEventListener("click", () => { running = false; });
