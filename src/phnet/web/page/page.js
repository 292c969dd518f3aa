// The page: what it shows comes from its own address or from the visitor's disk. This is the work
// that is asked for; what comes in is in intake.js, what is seen in stage.js and result.js.

import { files, find, form, masks, mode, pictures } from "./chosen.js";
import { engine } from "./engine.js";
import { take } from "./intake.js";
import { build, lightOf, values } from "./options.js";
import { canvas, png } from "./pictures.js";
import { begin, end, isCurrent, refused, say, stop, tell, underWay } from "./progress.js";
import { hasResult, present, stale } from "./result.js";
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
    const { picture, notes } = await made(own, job);
    if (!isCurrent(job)) return;
    const name = own.scene ?? own.subject;
    const pasted = own.scene && pictures.has(name) ? await asPlaced(pictures.get(name)) : null;
    if (!isCurrent(job)) return;
    present(name, picture, pasted, own.scene ? placing.middle : masks.get(name)?.middle ?? 0.5);
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
async function made(own, job) {
  const drawn = masks.get(own.subject);
  const options = { ...values(form.elements.mode.value), model: form.elements.model.value };
  const mask = drawn && !drawn.isEmpty ? await drawn.blob() : files.get(own.mask) ?? null;
  const { signal } = job.controller;
  const onprogress = (far) => tell(job, far);
  if (!own.scene) {
    const composite = files.get(own.subject);
    return engine.harmonize({ composite, mask, ...options }, signal, onprogress);
  }
  const seen = pictures.has(own.scene) && pictures.has(own.subject);
  if (seen) view("place"); // so that there is a place
  return engine.compose({
    portrait: files.get(own.subject), background: files.get(own.scene), mask,
    place: seen ? placing.text : null, fit: null, ...options,
  }, signal, onprogress);
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
find("options").addEventListener("change", (event) => {
  if (event.target.name === "model") lightOf(chosenModel());
  if (event.target.name && (hasResult() || underWay() === "harmonize")) harmonize();
});
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
if (!engine.compose) find("modes").hidden = true;
arrange();
for (const input of form.querySelectorAll('input[type="file"]')) { // chosen before this ran
  if (input.files.length) take(input.name, input.files[0]);
}
listModels().catch(refused);
find("main").ariaBusy = "false";
