// The options as sliders and choices, made from options.json, which the package's own list makes.

import { find, form } from "./chosen.js";

let options = [];

export async function build() {
  options = await (await fetch("options.json")).json();
  const made = options.map((option) => {
    const label = document.createElement("label");
    const input = option.choices ? choice(option) : option.box ? box() : slider(option, label);
    input.name = option.name;
    label.title = option.help;
    label.dataset.mode = option.modes.length === 1 ? option.modes[0] : "";
    if (!label.dataset.mode) delete label.dataset.mode;
    if (option.box) {
      label.className = "box";
      label.append(input, option.box);
    } else {
      label.prepend(`${option.name[0].toUpperCase()}${option.name.slice(1).replaceAll("_", " ")} `);
      label.append(input);
    }
    return label;
  });
  const isFinishing = ({ name, finish }) => finish || name === "finish" || name.startsWith("shadow");
  const finishing = made.filter((_, i) => isFinishing(options[i]));
  const rest = made.filter((label) => !finishing.includes(label));
  finishing.sort((a, b) => b.classList.contains("box") - a.classList.contains("box"));
  find("options").prepend(...rest);
  find("finishing").append(...finishing);
  find("finishing").parentElement.hidden = !finishing.length;
  control("finish")?.addEventListener("change", (event) => {
    for (const { name, finish } of options) if (finish) set(name, event.target.checked ? finish : 0);
  });
}

const control = (name) => form.querySelector(`[name="${name}"]`);

// Set an option from elsewhere on the page; null: as if nobody had set it.
export function set(name, value) {
  const one = control(name);
  if (!one) return;
  if (value === null) one.dataset.unset = "";
  else {
    delete one.dataset.unset;
    one.value = value;
  }
  show(one);
}

// What an option is set to; null where it is not set, or not there.
export function get(name) {
  const one = control(name);
  return !one || one.disabled || "unset" in one.dataset ? null : Number(one.value);
}

// What is set, by name, for one mode: numbers and texts; without what is left at a network's own.
export function values(mode) {
  const chosen = {};
  for (const { name, modes, choices, box } of options) {
    const one = control(name);
    if (!modes.includes(mode) || one.disabled || "unset" in one.dataset) continue;
    if (!box) chosen[name] = choices ? one.value : Number(one.value);
    else if (name !== "finish") chosen[name] = one.checked; // what it sets, the sliders say
  }
  return chosen;
}

// A network's own light, or none for a network that takes no light.
export function lightOf(model) {
  const light = control("light");
  if (!light) return;
  light.disabled = model?.light == null;
  if (!light.disabled) light.value = model.light;
  delete light.dataset.unset;
  show(light);
}

function choice({ choices, default: chosen }) {
  const select = document.createElement("select");
  select.append(...choices.map(([value, text]) => new Option(text, value, value === chosen, value === chosen)));
  return select;
}

function box() {
  return Object.assign(document.createElement("input"), { type: "checkbox" });
}

const show = (one) => one.dispatchEvent(new Event("shown"));

function slider({ low, high, step, unit, default: at, unset }, label) {
  const input = Object.assign(document.createElement("input"), { type: "range", min: low, max: high, step });
  const shown = document.createElement("output");
  input.value = at ?? (low < 0 ? 0 : low);
  if (unset) input.dataset.unset = "";
  const tell = () => {
    const value = unit === "%" ? `${Math.round(100 * input.value)}%`
      : `${input.value}${unit === "°" ? "" : " "}${unit}`;
    shown.textContent = input.disabled ? "none" : "unset" in input.dataset ? unset
      : (low < 0 && input.value > 0 ? "+" : "") + value;
  };
  input.addEventListener("shown", tell);
  input.addEventListener("input", () => {
    delete input.dataset.unset;
    tell();
  });
  if (low < 0 || unset) input.addEventListener("dblclick", () => { // as at first
    input.value = at ?? (low < 0 ? 0 : low);
    if (unset) input.dataset.unset = "";
    tell();
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  label.append(shown);
  tell();
  return input;
}
