// The page: what it shows comes from its own address or from the visitor's disk. An engine does
// the work (see remote.js); which one, index.html says.

import { Brush } from "./brush.js";
import { Mask } from "./mask.js";
import { canvas, png, read } from "./pictures.js";
import { Placing } from "./placing.js";

const { engine } = await import(
  `./${document.querySelector('meta[name="phnet-engine"]').content}`);
const find = (id) => document.getElementById(id);
const form = find("form");
const endings = {
  "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/tiff": "tif",
};

// What each mode asks for. A subject is the picture that the mask belongs to.
const MODES = {
  harmonize: { subject: "composite", mask: "mask", scene: null },
  compose: { subject: "portrait", mask: "portrait_mask", scene: "background" },
};
const files = new Map(); // name of an input -> Blob
const pictures = new Map(); // name of an input -> Picture; none where the browser cannot show it
const masks = new Map(); // name of a subject -> Mask
const addresses = new Map(); // element -> object URL that it shows
const reading = new Map(); // name of an input -> promise of its picture, until it is there
let running = null; // AbortController of the work under way
let finding = null; // AbortController of the search for the person

const mode = () => MODES[form.elements.mode.value];
const brush = new Brush(find("brush"), maskChanged, say);
const placing = new Placing(find("placing"), placeChanged);

// -- words and progress -----------------------------------------------------------------------

function say(sentence, bad = false) {
  find("status").textContent = sentence;
  find("status").classList.toggle("bad", bad);
}

function refused(error) {
  if (error.status === 401) {
    find("token").hidden = false;
    find("token").querySelector("input").focus();
  }
  say(`Sorry: ${error.message}.`, true);
}

function progress(stage, share) {
  const bar = find("progress");
  bar.hidden = false;
  if (share === null || stage === "working") bar.removeAttribute("value");
  else bar.value = share;
  const words = {
    sending: "Sending", working: "Harmonizing", receiving: "Receiving", loading: "Loading the networks",
  };
  const text = `${words[stage]}…`;
  if (find("status").textContent !== text) say(text);
}

function still() {
  find("progress").hidden = true;
  find("cancel").hidden = true;
}

// Give up whatever is under way.
function stop() {
  running?.abort();
  finding?.abort();
  running = finding = null;
  still();
}

function show(element, blob, attribute = "src") {
  URL.revokeObjectURL(addresses.get(element));
  addresses.set(element, URL.createObjectURL(blob));
  element[attribute] = addresses.get(element);
}

// -- pictures that come in --------------------------------------------------------------------

async function take(name, file) {
  const drop = form.elements[name].closest(".drop");
  const thumbnail = drop.querySelector("img");
  const interrupted = finding; // a search for the person, to be begun again
  stop();
  say("");
  for (const each of [files, pictures, reading]) each.delete(name);
  thumbnail.hidden = true;
  drop.classList.toggle("full", Boolean(file));
  if (drop.querySelector(".remove")) drop.querySelector(".remove").hidden = !file;
  stale();
  if (file) {
    files.set(name, file);
    const mine = read(file);
    reading.set(name, mine);
    const picture = await mine;
    if (reading.get(name) !== mine) return; // another file came meanwhile
    reading.delete(name);
    if (picture) {
      pictures.set(name, picture);
      thumbnail.hidden = false;
      show(thumbnail, file);
    }
  }
  const own = Object.values(MODES).find((each) => Object.values(each).includes(name));
  if (name === own.scene && !interrupted) advance(own);
  else await begin(own);
}

// A new subject, or another mask for it: begin its mask anew.
async function begin(own) {
  const picture = pictures.get(own.subject);
  masks.delete(own.subject);
  if (picture) {
    const mask = new Mask(picture.width, picture.height);
    masks.set(own.subject, mask);
    const given = pictures.get(own.mask);
    if (given && !fits(given, picture)) {
      say(`Sorry: the mask has ${given.width}x${given.height} pixels, which is not the shape of ` +
        `the picture (${picture.width}x${picture.height}).`, true);
    } else if (given) {
      mask.start(given);
    } else if (picture.hasAlpha && own === MODES.compose) {
      mask.start(picture, null); // a cut-out: the engine takes its alpha by itself
    }
  }
  advance(own);
  const mask = masks.get(own.subject);
  const unknown = files.has(own.subject) && !files.has(own.mask) && (!mask || mask.isEmpty);
  if (unknown && engine.matte) await search(own);
}

// A mask may have another size than its picture, but must have its shape.
function fits(mask, picture) {
  return Math.min(
    Math.abs(mask.width - picture.width * mask.height / picture.height),
    Math.abs(mask.height - picture.height * mask.width / picture.width),
  ) <= 1;
}

// Have the engine find the person.
async function search(own) {
  stop();
  const mine = new AbortController();
  finding = mine;
  find("progress").hidden = false;
  find("progress").removeAttribute("value");
  find("cancel").hidden = false;
  say("Finding the person…");
  try {
    const found = await read(await engine.matte(files.get(own.subject), mine.signal));
    if (finding !== mine) return;
    masks.get(own.subject)?.start(found);
    say(masks.has(own.subject)
      ? "The person was found. Correct the mask with the brush where it is wrong."
      : "The person was found.");
    stale();
    advance(own);
  } catch (error) {
    if (finding !== mine || error.name === "AbortError") return;
    refused(error);
    if (masks.has(own.subject) && error.status === 422) {
      say(`Sorry: ${error.message}. Paint the person in, or choose a mask.`, true);
    }
  } finally {
    if (finding === mine) {
      finding = null;
      still();
    }
  }
}

// -- the stage --------------------------------------------------------------------------------

const chosenView = () => document.querySelector('[name="view"]:checked')?.value;
let result = false; // whether there is one that fits what is shown

// To the place, once there is a person to be placed.
function advance(own) {
  const mask = masks.get(own.subject);
  if (own.scene && pictures.has(own.scene) && mask && !mask.isEmpty) view("place");
  else arrange();
}

// Show what there is to see: only views that have something are offered.
function arrange() {
  const own = mode();
  const mask = masks.get(own.subject);
  const offered = {
    mask: Boolean(mask),
    place: Boolean(own.scene && mask && pictures.has(own.scene)),
    result,
  };
  for (const each of document.querySelectorAll("[data-mode]")) {
    each.hidden = each.dataset.mode !== form.elements.mode.value;
  }
  const names = Object.keys(offered).filter((name) => offered[name]);
  for (const input of document.querySelectorAll('[name="view"]')) {
    input.disabled = !offered[input.value];
  }
  const wanted = chosenView();
  const shown = offered[wanted] ? wanted : names.includes("place") ? "place" : names[0];
  for (const input of document.querySelectorAll('[name="view"]')) {
    input.checked = input.value === shown;
  }
  find("views").hidden = !names.length;
  for (const name of Object.keys(offered)) find(`view-${name}`).hidden = name !== shown;
  const unseen = files.has(own.subject) && !mask && !reading.has(own.subject);
  find("empty").hidden = Boolean(names.length);
  find("empty").textContent = unseen
    ? "Your browser cannot show this file. If it is a picture all the same, such as a TIFF, " +
      "it can be harmonized and downloaded."
    : own.scene ? "Your portrait will be shown here: first its mask, then its place."
      : "Your picture will be shown here, with its mask.";
  const framed = pictures.get(shown === "mask" || !own.scene ? own.subject : own.scene);
  if (framed) find("stage").style.setProperty("--ratio", framed.width / framed.height);
  if (shown === "mask") {
    brush.show(pictures.get(own.subject), mask);
    maskTools();
  }
  if (shown === "place") {
    const alpha = canvas(pictures.get(own.subject).shown.width,
      pictures.get(own.subject).shown.height);
    mask.drawOn(alpha);
    placing.show(pictures.get(own.scene), pictures.get(own.subject), alpha);
  }
}

function view(name) {
  for (const input of document.querySelectorAll('[name="view"]')) {
    input.checked = input.value === name;
  }
  arrange();
}

// The result no longer belongs to what is shown.
function stale() {
  result = false;
  const input = document.querySelector('[name="view"][value="result"]');
  input.disabled = true;
  find("view-result").hidden = true;
}

function maskTools() {
  const mask = masks.get(mode().subject);
  find("undo").disabled = !mask.canUndo;
  find("redo").disabled = !mask.canRedo;
  find("find").hidden = !engine.matte;
}

function maskChanged() {
  stop();
  stale();
  maskTools();
}

function step(change) {
  change(masks.get(mode().subject));
  brush.refresh();
  maskChanged();
}

function placeChanged(byHand) {
  find("scale").value = placing.size;
  find("scale-shown").textContent = `${Math.round(100 * placing.share)}% of the height`;
  if (byHand) {
    stop();
    stale();
  }
}

// -- the work ---------------------------------------------------------------------------------

async function harmonize() {
  const own = mode();
  for (const name of [own.subject, own.scene]) {
    if (name && !files.has(name)) {
      say(`Choose a ${name} first.`, true);
      form.elements[name].focus();
      return;
    }
  }
  stop();
  const mine = new AbortController();
  running = mine;
  find("cancel").hidden = false;
  progress("working", null);
  try {
    const drawn = masks.get(own.subject);
    const { strength, lift, model } = form.elements;
    const options = { strength: Number(strength.value), lift: lift.value, model: model.value };
    const mask = drawn && !drawn.isEmpty ? await drawn.blob() : files.get(own.mask) ?? null;
    const tell = ({ stage, share }) => { if (running === mine) progress(stage, share); };
    let made;
    if (own.scene) {
      const seen = pictures.has(own.scene) && pictures.has(own.subject);
      if (seen) view("place"); // so that there is a place
      made = await engine.compose({
        portrait: files.get(own.subject), background: files.get(own.scene), mask,
        place: seen ? placing.text : null, fit: null, ...options,
      }, mine.signal, tell);
    } else {
      made = await engine.harmonize(
        { composite: files.get(own.subject), mask, ...options }, mine.signal, tell);
    }
    if (running === mine) await present(own, made);
  } catch (error) {
    if (error.name !== "AbortError" && running === mine) refused(error);
  } finally {
    if (running === mine) {
      running = null;
      still();
    }
  }
}

async function present(own, { picture, notes }) {
  const name = own.scene ?? own.subject;
  const known = pictures.get(name);
  if (known && own.scene) {
    const pasted = canvas(known.shown.width, known.shown.height);
    placing.drawOn(pasted);
    show(find("before"), await png(pasted));
  } else {
    show(find("before"), files.get(name));
  }
  show(find("after"), picture);
  show(find("download"), picture, "href");
  const stem = (files.get(name).name ?? "picture").replace(/\.[^.]*$/, "");
  find("download").download = `${stem}-harmonized.${endings[picture.type] ?? "png"}`;
  find("frame").hidden = !known;
  result = true;
  say(notes ? `Done. Note: ${notes}.` : "Done.");
  view("result");
  const box = find("view-result").getBoundingClientRect();
  if (box.top > innerHeight / 2) find("stage").scrollIntoView(); // below the form, on a phone
}

async function listModels() {
  const select = form.elements.model;
  const models = await engine.models();
  select.replaceChildren(...models.map((each) => new Option(
    `${each.name} (${each.resolution} pixels)`, each.name, each.default, each.default)));
  find("models").hidden = models.length < 2;
}

// -- what the visitor does --------------------------------------------------------------------

for (const input of form.querySelectorAll('input[type="file"]')) {
  const drop = input.closest(".drop");
  input.addEventListener("change", () => take(input.name, input.files[0]));
  drop.querySelector(".remove")?.addEventListener("click", () => {
    input.value = "";
    input.focus();
    take(input.name, undefined);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) {
        const one = new DataTransfer();
        one.items.add(event.dataTransfer.files[0]);
        input.files = one.files; // so that its name is shown
        take(input.name, input.files[0]);
      }
    });
  }
}
for (const kind of ["dragover", "drop"]) { // beside an area: do not leave the page for the file
  document.addEventListener(kind, (event) => event.preventDefault());
}
form.addEventListener("submit", (event) => { event.preventDefault(); harmonize(); });
form.elements.strength.addEventListener("input", (event) => {
  find("strength-shown").textContent = `${Math.round(100 * event.target.value)}%`;
});
for (const name of ["strength", "lift", "model"]) {
  form.elements[name].addEventListener("change", () => { if (result || running) harmonize(); });
}
for (const input of form.elements.mode) {
  input.addEventListener("change", () => { stop(); stale(); say(""); arrange(); });
}
for (const input of document.querySelectorAll('[name="view"]')) {
  input.addEventListener("change", arrange);
}
find("cancel").addEventListener("click", cancel);
find("token").querySelector("input").addEventListener("change", (event) => {
  engine.token = event.target.value.trim();
  listModels().then(() => say("The server knows this token."), refused);
});
find("undo").addEventListener("click", () => step((mask) => mask.undo()));
find("redo").addEventListener("click", () => step((mask) => mask.redo()));
find("invert").addEventListener("click", () => step((mask) => mask.add({ kind: "invert" })));
find("find").addEventListener("click", () => search(mode()));
find("size").addEventListener("input", (event) => { brush.size = Number(event.target.value); });
find("zoom").addEventListener("input", (event) => zoom(Number(event.target.value)));
for (const input of document.querySelectorAll('[name="way"]')) {
  input.addEventListener("change", () => { brush.adds = input.value === "in"; });
}
find("scale").addEventListener("input", (event) => { placing.size = Number(event.target.value); });
find("reset").addEventListener("click", () => placing.reset());
find("cover").addEventListener("click", () => placing.cover());
find("divide").addEventListener("input", (event) => {
  find("compare").style.setProperty("--shown", `${event.target.value}%`);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && (running || finding)) cancel();
  else if (!find("view-mask").hidden && !event.target.matches("select, [type=password]")) {
    paintKeys(event);
  }
});

// The middle of what is seen stays in the middle.
function zoom(value) {
  const well = find("well");
  const middle = (start, seen, all) => (start + seen / 2) / all;
  const x = middle(well.scrollLeft, well.clientWidth, well.scrollWidth);
  const y = middle(well.scrollTop, well.clientHeight, well.scrollHeight);
  well.style.setProperty("--zoom", value);
  well.scrollTo(x * well.scrollWidth - well.clientWidth / 2,
    y * well.scrollHeight - well.clientHeight / 2);
  brush.refresh();
}

function cancel() {
  const hadFocus = document.activeElement === find("cancel");
  stop();
  say("Cancelled.");
  if (hadFocus) form.querySelector('[type="submit"]').focus();
}

function paintKeys(event) {
  const key = event.key.toLowerCase();
  const pressed = event.ctrlKey || event.metaKey;
  if (pressed && key === "z") step((mask) => (event.shiftKey ? mask.redo() : mask.undo()));
  else if (pressed && key === "y") step((mask) => mask.redo());
  else if (pressed || event.altKey) return;
  else if (key === "x") {
    const other = document.querySelector('[name="way"]:not(:checked)');
    other.checked = true;
    brush.adds = other.value === "in";
    say(`The brush paints ${other.value}.`);
  } else if (key === "[" || key === "]") {
    find("size").stepUp(key === "]" ? 5 : -5);
    brush.size = Number(find("size").value);
  } else return;
  event.preventDefault();
}

find("local").hidden = !engine.local;
if (!engine.compose) find("modes").hidden = true;
brush.size = Number(find("size").value);
arrange();
for (const input of form.querySelectorAll('input[type="file"]')) { // chosen before this ran
  if (input.files.length) take(input.name, input.files[0]);
}
listModels().catch(refused);
find("main").ariaBusy = "false";
