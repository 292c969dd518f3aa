// The page: what it shows comes from its own address or from the visitor's disk. This is the work
// that is asked for; what comes in is in intake.js, what is seen in stage.js and result.js.

import { files, find, form, masks, mode, pictures } from "./chosen.js";
import { engine } from "./engine.js";
import { take } from "./intake.js";
import { build, get, lightOf, values } from "./options.js";
import * as live from "./live.js";
import { canvas, png } from "./pictures.js";
import { begin, end, isCurrent, refused, say, stop, tell, underWay } from "./progress.js";
import { fileName, hasResult, present, save, stale } from "./result.js";
import * as series from "./series.js";
import { arrange, placing, view } from "./stage.js";

async function harmonize() {
  const own = mode();
  for (const name of [own.subject, own.scene]) {
    if (name && !files.has(name)) {
      say(`Choose a ${name} first.`, true);
      form.elements[name].focus();
      return;
    }
  }
  const job = begin("harmonize", "working");
  try {
    const used = { strength: get("strength"), light: get("light") };
    const { picture, notes } = await made(own, job);
    if (!isCurrent(job)) return;
    const name = own.scene ?? own.subject;
    const pasted = own.scene && pictures.has(name) ? await asPlaced(pictures.get(name)) : null;
    if (!isCurrent(job)) return;
    outdated = false;
    present(name, picture, pasted, own.scene ? placing.middle : masks.get(name)?.middle ?? 0.5);
    series.done(picture, fileName());
    live.begin(pasted ?? files.get(name), picture, used);
    say(notes ? `Done. Note: ${notes}.` : "Done.");
    view("result");
    const box = find("view-result").getBoundingClientRect();
    if (box.top > innerHeight / 2) find("stage").scrollIntoView(); // below the form, on a phone
  } catch (error) {
    if (error.name !== "AbortError" && isCurrent(job)) refused(error);
  } finally {
    end(job);
  }
}

// What the engine makes of what was chosen.
async function made(own, job, type = null, more = {}) {
  const drawn = masks.get(own.subject);
  const options = { ...values(form.elements.mode.value), model: form.elements.model.value, ...more };
  const mask = drawn && !drawn.isEmpty ? await drawn.blob() : files.get(own.mask) ?? null;
  if (files.has("reference")) options.reference = files.get("reference");
  const { signal } = job.controller;
  const onprogress = (far) => tell(job, far);
  if (!own.scene) {
    const composite = files.get(own.subject);
    return engine.harmonize({ composite, mask, ...options }, signal, onprogress, type);
  }
  const seen = pictures.has(own.scene) && pictures.has(own.subject);
  if (seen) view("place"); // so that there is a place
  return engine.compose({
    portrait: files.get(own.subject), background: files.get(own.scene), mask,
    place: seen ? placing.text : null, fit: null, ...options,
  }, signal, onprogress, type);
}

// What stands before the result of composing: the person in place, with the portrait's colors.
function asPlaced(scene) {
  const pasted = canvas(scene.shown.width, scene.shown.height);
  placing.drawOn(pasted);
  return png(pasted);
}

let models = [];
const chosenModel = () => models.find((each) => each.name === form.elements.model.value);

async function listModels() {
  const select = form.elements.model;
  models = await engine.models();
  select.replaceChildren(...models.map((each) => new Option(
    `${each.name} (${each.resolution} pixels)`, each.name, each.default, each.default)));
  find("models").hidden = models.length < 2;
  lightOf(chosenModel());
}

function cancel() {
  const hadFocus = document.activeElement === find("cancel");
  stop();
  say("Cancelled.");
  if (hadFocus) form.querySelector('[type="submit"]').focus();
}

form.addEventListener("submit", (event) => { event.preventDefault(); harmonize(); });
// -- what is set -------------------------------------------------------------------------------

let outdated = false; // whether the picture on the screen is mixed, and the one to download older

// Strength and light are mixed on the screen, unless effects lie over the colors.
const isLive = (name) => (name === "strength" || name === "light") && live.isReady() && hasResult() &&
  !EFFECTS.some((each) => get(each));
const EFFECTS = ["clean_edges", "match_sharpness", "match_grain", "light_wrap", "shadow"];

async function mixed(name) {
  if (name === "light" && !live.knowsDark()) await dark();
  live.mix(get("strength"), get("light"));
  outdated = true;
}

let darkening = null;

// Ask the engine once for light 0, with which every other light is mixed.
function dark() {
  darkening ??= (async () => {
    const job = { controller: new AbortController() };
    try {
      live.addDark((await made(mode(), job, null, { light: 0, ...live.made() })).picture);
    } catch { /* then light is asked for when it is let go */ }
    darkening = null;
  })();
  return darkening;
}

form.addEventListener("input", ({ target }) => {
  if (isLive(target.name)) mixed(target.name);
});
form.addEventListener("change", ({ target }) => {
  if (target.type === "file" || target.name === "mode") return;
  if (target.name === "model") lightOf(chosenModel());
  if (target.name?.startsWith("shadow") || target.name === "finish") arrange();
  const known = isLive(target.name) && (target.name === "strength" || live.knowsDark());
  if (!known && target.name && (hasResult() || underWay() === "harmonize")) harmonize();
});

// -- downloads ---------------------------------------------------------------------------------

find("download").addEventListener("click", async (event) => {
  if (!outdated) return;
  event.preventDefault();
  await harmonize();
  if (!outdated) find("download").click();
});
for (const button of document.querySelectorAll("[data-type]")) {
  button.hidden = engine.local;
  button.addEventListener("click", async () => {
    const job = begin("download", "working");
    try {
      const { picture } = await made(mode(), job, button.dataset.type);
      save(new Blob([picture], { type: button.dataset.type }));
      say("Done.");
    } catch (error) {
      if (error.name !== "AbortError" && isCurrent(job)) refused(error);
    } finally {
      end(job);
    }
  });
}
series.start(harmonize, take);

for (const input of form.elements.mode) {
  input.addEventListener("change", () => { stop(); stale(); say(""); arrange(); });
}
find("cancel").addEventListener("click", cancel);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && underWay()) cancel();
});
find("token").querySelector("input").addEventListener("change", (event) => {
  engine.token = event.target.value.trim();
  listModels().then(() => say("The server knows this token."), refused);
});

await build();
find("local").hidden = !engine.local;
find("reference").hidden = engine.local;
if (!engine.compose) find("modes").hidden = true;
arrange();
for (const input of form.querySelectorAll('input[type="file"]')) { // chosen before this ran
  if (input.files.length) take(input.name, input.files[0]);
}
listModels().catch(refused);
find("main").ariaBusy = "false";
