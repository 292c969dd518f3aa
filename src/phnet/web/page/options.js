// The options as sliders and choices, made from options.json, which the package's own list makes.

import { find } from "./chosen.js";

let options = [];

export async function build() {
  options = await (await fetch("options.json")).json();
  const made = options.map((option) => {
    const label = document.createElement("label");
    const control = option.choices ? choice(option) : slider(option, label);
    control.name = option.name;
    label.title = option.help;
    label.dataset.mode = option.modes.length === 1 ? option.modes[0] : "";
    if (!label.dataset.mode) delete label.dataset.mode;
    label.prepend(`${option.name[0].toUpperCase()}${option.name.slice(1).replaceAll("_", " ")} `);
    label.append(control);
    return label;
  });
  find("options").prepend(...made);
}

// What is set, by name, for one mode: numbers and texts; without what is left at a network's own.
export function values(mode) {
  const set = {};
  for (const { name, modes, choices } of options) {
    const control = find("options").querySelector(`[name="${name}"]`);
    if (modes.includes(mode) && !control.disabled) {
      set[name] = choices ? control.value : Number(control.value);
    }
  }
  return set;
}

// A network's own light, or none for a network that takes no light.
export function lightOf(model) {
  const control = find("options").querySelector('[name="light"]');
  if (!control) return;
  control.disabled = model?.light == null;
  if (!control.disabled) control.value = model.light;
  control.dispatchEvent(new Event("input"));
}

function choice({ choices, default: chosen }) {
  const select = document.createElement("select");
  select.append(...choices.map(([value, text]) => new Option(text, value, value === chosen, value === chosen)));
  return select;
}

function slider({ low, high, step, unit, default: at }, label) {
  const input = Object.assign(document.createElement("input"), { type: "range", min: low, max: high, step });
  const shown = document.createElement("output");
  input.value = at ?? low;
  input.addEventListener("input", () => {
    const value = unit === "%" ? `${Math.round(100 * input.value)}%` : `${input.value} ${unit}`;
    shown.textContent = input.disabled ? "none" : (low < 0 && input.value > 0 ? "+" : "") + value;
  });
  if (low < 0) input.addEventListener("dblclick", () => { // back to the middle
    input.value = at;
    for (const kind of ["input", "change"]) input.dispatchEvent(new Event(kind, { bubbles: true }));
  });
  label.append(shown);
  input.dispatchEvent(new Event("input"));
  return input;
}
