// A mask as a list of steps, so that it can be drawn at any size: small for the screen, and at the
// picture's own size for the engine. What is painted on a phone is as sharp there as elsewhere.
//
// A step is { kind: "picture", picture, byAlpha, blob }, { kind: "invert" }, or a stroke:
// { kind: "stroke", adds, radius, stamps: [x, y, x, y, ...] } in the picture's own pixels.

import { canvas, pixels, png } from "./pictures.js";

const HARD = 0.7; // share of the brush's radius where it is opaque
const SPACING = 0.2; // of the radius, between two stamps of a stroke

export class Mask {
  #fixed = 0; // steps that undo leaves

  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.steps = [];
    this.undone = [];
  }

  get canUndo() { return this.steps.length > this.#fixed; }
  get canRedo() { return this.undone.length > 0; }
  get isEmpty() { return this.steps.length === 0; }

  // Where the person is across the picture, from 0 (left) to 1.
  get middle() {
    const drawn = canvas(64, Math.max(1, Math.round(64 * this.height / this.width)));
    this.drawOn(drawn);
    const { data } = pixels(drawn);
    let [sum, all] = [0, 0];
    for (let i = 3; i < data.length; i += 4) {
      all += data[i];
      sum += data[i] * (((i - 3) / 4) % 64 + 0.5) / 64;
    }
    return all ? sum / all : 0.5;
  }

  // Begin from a picture: by its alpha where that says something, else white is the person.
  // `blob` is what the engine gets as long as nothing is painted.
  start(picture, blob = picture.blob) {
    this.steps = [{ kind: "picture", picture, byAlpha: picture.hasAlpha, blob }];
    this.undone = [];
    this.#fixed = 1;
  }

  add(step) {
    this.steps.push(step);
    this.undone = [];
  }

  undo() { if (this.canUndo) this.undone.push(this.steps.pop()); }
  redo() { if (this.canRedo) this.steps.push(this.undone.pop()); }

  // For the engine: the file itself where nothing was painted; null where there is nothing at all.
  async blob() {
    if (this.isEmpty) return null;
    const last = this.steps.at(-1);
    if (last.kind === "picture") return last.blob;
    const drawn = canvas(this.width, this.height);
    const context = drawn.getContext("2d");
    context.fillRect(0, 0, this.width, this.height);
    for (const step of this.steps) draw(context, step, GRAY, 1);
    return png(drawn);
  }

  // For the screen: white, and see-through where the mask is not.
  drawOn(target) {
    const context = target.getContext("2d");
    context.clearRect(0, 0, target.width, target.height);
    for (const step of this.steps) draw(context, step, ALPHA, target.width / this.width);
  }
}

// Draw a step onto a screen's mask that holds those before it; of a stroke, the stamps from `first`.
export function drawMore(target, step, scale, first) {
  stroke(target.getContext("2d"), step, ALPHA, scale, first);
}

// Lengthen a stroke to a point: stamps are set at even distances on the way.
export function lengthen(step, x, y) {
  const { stamps } = step;
  if (!stamps.length) {
    stamps.push(x, y);
    return;
  }
  const [fromX, fromY] = stamps.slice(-2);
  const length = Math.hypot(x - fromX, y - fromY);
  const distance = Math.max(0.5, step.radius * SPACING);
  for (let at = distance; at <= length; at += distance) {
    stamps.push(fromX + (x - fromX) * at / length, fromY + (y - fromY) * at / length);
  }
}

// How a mask lies in a canvas: as white on black, or as alpha.
const GRAY = { erase: ["source-over", "0, 0, 0"], invert: "difference", picture: grayOf };
const ALPHA = { erase: ["destination-out", "0, 0, 0"], invert: "xor", picture: alphaOf };

function draw(context, step, form, scale) {
  const { width, height } = context.canvas;
  if (step.kind === "stroke") {
    stroke(context, step, form, scale, 0);
  } else if (step.kind === "invert") {
    context.globalCompositeOperation = form.invert;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
  } else {
    context.globalCompositeOperation = "copy";
    context.imageSmoothingQuality = "high";
    context.drawImage(form.picture(step, width, height), 0, 0, width, height);
  }
  context.globalCompositeOperation = "source-over";
}

function stroke(context, step, form, scale, first) {
  const [operation, color] = step.adds ? ["source-over", "255, 255, 255"] : form.erase;
  const radius = step.radius * scale;
  const brush = stamp(color);
  context.globalCompositeOperation = operation;
  for (let i = first; i < step.stamps.length; i += 2) {
    const [x, y] = [step.stamps[i] * scale, step.stamps[i + 1] * scale];
    context.drawImage(brush, x - radius, y - radius, 2 * radius, 2 * radius);
  }
  context.globalCompositeOperation = "source-over";
}

const made = new Map();

function stamp(color) {
  if (!made.has(color)) {
    const side = 256;
    const drawn = canvas(side, side);
    const context = drawn.getContext("2d");
    const fade = context.createRadialGradient(
      side / 2, side / 2, HARD * side / 2, side / 2, side / 2, side / 2);
    fade.addColorStop(0, `rgba(${color}, 1)`);
    fade.addColorStop(1, `rgba(${color}, 0)`);
    context.fillStyle = fade;
    context.fillRect(0, 0, side, side);
    made.set(color, drawn);
  }
  return made.get(color);
}

// A mask's picture as white on black, at its own size.
function grayOf({ picture, byAlpha }, width, height) {
  if (!byAlpha) return picture.image;
  const drawn = canvas(width, height);
  const context = drawn.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.image, 0, 0, width, height);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  return drawn;
}

// The same as alpha, at the screen's size; made once.
function alphaOf(step) {
  if (!step.asAlpha) {
    step.asAlpha = canvas(step.picture.shown.width, step.picture.shown.height);
    const values = pixels(step.picture.shown);
    const { data } = values;
    for (let i = 0; i < data.length; i += 4) {
      if (!step.byAlpha) {
        data[i + 3] = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
      }
      data[i] = data[i + 1] = data[i + 2] = 255;
    }
    step.asAlpha.getContext("2d").putImageData(values, 0, 0);
  }
  return step.asAlpha;
}
