// The views of the picture: its mask under the brush, the person's place, the result.

import { Brush } from "./brush.js";
import { files, find, form, masks, mode, pictures, reading } from "./chosen.js";
import { engine } from "./engine.js";
import { get, set } from "./options.js";
import { canvas } from "./pictures.js";
import { Placing } from "./placing.js";
import { say, stop } from "./progress.js";
import { hasResult, stale } from "./result.js";

const brush = new Brush(find("brush"), maskChanged, say);
export const placing = new Placing(find("placing"), placeChanged, ({ angle, length }) => {
  set("shadow_angle", angle);
  set("shadow_length", length);
});

const views = document.querySelectorAll('[name="view"]');
export const chosenView = () => document.querySelector('[name="view"]:checked')?.value;

export function view(name) {
  for (const input of views) input.checked = input.value === name;
  arrange();
}

// To the place, once there is a person to be placed.
export function advance(own) {
  const mask = masks.get(own.subject);
  if (own.scene && pictures.has(own.scene) && mask && !mask.isEmpty) view("place");
  else arrange();
}

// Show what there is to see: only views that have something are offered.
export function arrange() {
  const own = mode();
  const mask = masks.get(own.subject);
  const offered = {
    mask: Boolean(mask),
    place: Boolean(own.scene && mask && pictures.has(own.scene)),
    result: hasResult(),
  };
  for (const each of document.querySelectorAll("[data-mode]")) {
    each.hidden = each.dataset.mode !== form.elements.mode.value;
  }
  const names = Object.keys(offered).filter((name) => offered[name]);
  const wanted = chosenView();
  const shown = offered[wanted] ? wanted : names.includes("place") ? "place" : names[0];
  for (const input of views) {
    input.disabled = !offered[input.value];
    input.checked = input.value === shown;
  }
  find("views").hidden = !names.length;
  for (const name of Object.keys(offered)) find(`view-${name}`).hidden = name !== shown;
  find("empty").hidden = Boolean(names.length);
  find("empty").textContent = whyEmpty(own);
  const framed = pictures.get(shown === "mask" || !own.scene ? own.subject : own.scene);
  if (framed) find("stage").style.setProperty("--ratio", framed.width / framed.height);
  if (shown === "mask") {
    brush.show(pictures.get(own.subject), mask);
    maskTools();
  }
  if (shown === "place") {
    const person = pictures.get(own.subject);
    const alpha = canvas(person.shown.width, person.shown.height);
    mask.drawOn(alpha);
    const [strength, angle, length] = ["shadow", "shadow_angle", "shadow_length"].map(get);
    placing.shadow = { strength, angle, length };
    placing.show(pictures.get(own.scene), person, alpha);
  }
}

function whyEmpty(own) {
  if (files.has(own.subject) && !pictures.has(own.subject) && !reading.has(own.subject)) {
    return engine.local
      ? "Your browser cannot read this file. Choose a PNG, a JPEG or a WebP."
      : "Your browser cannot show this file. What the server can read, such as a TIFF, is " +
        "harmonized all the same.";
  }
  return own.scene ? "Your portrait will be shown here: first its mask, then its place."
    : "Your picture will be shown here, with its mask.";
}

// -- the brush's tools ------------------------------------------------------------------------

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

function resize() { brush.size = Number(find("size").value); }

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
    resize();
  } else return;
  event.preventDefault();
}

find("undo").addEventListener("click", () => step((mask) => mask.undo()));
find("redo").addEventListener("click", () => step((mask) => mask.redo()));
find("invert").addEventListener("click", () => step((mask) => mask.add({ kind: "invert" })));
find("size").addEventListener("input", resize);
find("zoom").addEventListener("input", (event) => zoom(Number(event.target.value)));
for (const input of document.querySelectorAll('[name="way"]')) {
  input.addEventListener("change", () => { brush.adds = input.value === "in"; });
}
document.addEventListener("keydown", (event) => {
  const typed = event.target.matches("select, [type=password]");
  if (!find("view-mask").hidden && !typed) paintKeys(event);
});
resize();

// -- the place's tools ------------------------------------------------------------------------

function placeChanged(byHand) {
  find("scale").value = placing.size;
  find("scale-shown").textContent = `${Math.round(100 * placing.share)}% of the height`;
  if (byHand) {
    stop();
    stale();
  }
}

find("scale").addEventListener("input", (event) => { placing.size = Number(event.target.value); });
find("reset").addEventListener("click", () => placing.reset());
find("cover").addEventListener("click", () => placing.cover());

for (const input of views) input.addEventListener("change", arrange);
