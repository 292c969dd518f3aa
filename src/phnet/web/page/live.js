// Strength and light, shown at once: mixed on the screen from results that are there, without the
// engine. What is downloaded is made anew by it.

import { find } from "./chosen.js";
import { canvas, pixels, read } from "./pictures.js";

let from = null; // { before, made, dark, strength, light, size }: pixels as the screen has them
let waiting = false;

// Begin anew from a result: the pictures (Blobs) before and after, and what it was made with.
export async function begin(before, made, { strength, light }) {
  from = null;
  find("live").hidden = true;
  const [first, second] = [await read(before), await read(made)];
  if (!first || !second || !(strength > 0)) return;
  const { width, height } = second.shown;
  from = { before: scaled(first, width, height), made: pixels(second.shown), strength, light, dark: null };
}

export const made = () => ({ strength: from?.strength });
export const isReady = () => Boolean(from);
export const knowsDark = () => Boolean(from?.dark);

// The same picture made at light 0, with which every other light is mixed.
export async function addDark(made) {
  const own = from;
  const picture = await read(made);
  if (own && own === from && picture) {
    own.dark = scaled(picture, own.made.width, own.made.height);
  }
}

function scaled(picture, width, height) {
  const drawn = canvas(width, height);
  drawn.getContext("2d").drawImage(picture.shown, 0, 0, width, height);
  return pixels(drawn);
}

// Show the result at another strength and, where it is known how, another light.
export function mix(strength, light) {
  if (!from || waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (from) draw(strength, light);
  });
}

function draw(strength, light) {
  const { before, made, dark } = from;
  const far = strength / from.strength;
  const lit = dark && from.light > 0 ? light / from.light : 1;
  const mixed = new ImageData(made.width, made.height);
  const [a, b, d, out] = [before.data, made.data, (dark ?? made).data, mixed.data];
  for (let i = 0; i < out.length; i++) {
    const full = d[i] + lit * (b[i] - d[i]);
    out[i] = i % 4 === 3 ? b[i] : a[i] + far * (full - a[i]);
  }
  const shown = find("live");
  shown.width = made.width;
  shown.height = made.height;
  shown.getContext("2d").putImageData(mixed, 0, 0);
  shown.hidden = false;
}
