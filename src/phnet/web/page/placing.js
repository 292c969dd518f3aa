// The canvas where the person is put into the background: dragged, scaled, or by the keyboard.
// The rules are those of phnet/compositing/placement.py.

import { canvas, pixels, position } from "./pictures.js";
import * as laid from "./shadow.js";

const SEEN = 128; // alpha from which a pixel counts as part of the person
const MOST_ENLARGED = 2; // of a person that nobody has placed
const LARGEST_LAYER = 2 ** 24; // pixels of a scaled portrait besides four times the background's
const RANGE = 12; // how much smaller or larger than at first the person can be made
const KEPT = 0.1; // share of the person, each way, that stays in the picture

export class Placing {
  #canvas;
  #changed; // called with whether the person was moved by hand
  #scene = null;
  #portrait = null;
  #person = canvas(1, 1); // cut out, at the screen's size
  #extent = null; // top, bottom, left, right of the person in the portrait's pixels
  #first = null; // where the person stands if nobody moves it
  #place = null; // { x, y, scale } as the engine has it
  #pointers = new Map();
  #waiting = false;
  #shadow = null; // { strength, angle, length }; null: none, or its end is not to be seen
  #silhouette = canvas(1, 1);
  #aimed; // called with the angle and length that the shadow's end is dragged to
  #aiming = null; // the pointer that drags it

  constructor(element, changed, aimed) {
    this.#canvas = element;
    this.#aimed = aimed;
    this.#changed = changed;
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) {
      element.addEventListener(kind, (event) => {
        this.#pointers.delete(event.pointerId);
        if (this.#aiming === event.pointerId) this.#aiming = null;
      });
    }
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  // The person of a portrait (its mask at the screen's size, as alpha) before a background; it
  // stays where it is if these are the pictures that it was placed with.
  show(scene, portrait, mask) {
    const same = scene === this.#scene && portrait === this.#portrait && this.#place;
    this.#scene = scene;
    this.#portrait = portrait;
    this.#canvas.width = scene.shown.width;
    this.#canvas.height = scene.shown.height;
    this.#person.width = portrait.shown.width;
    this.#person.height = portrait.shown.height;
    const context = this.#person.getContext("2d");
    context.drawImage(portrait.shown, 0, 0);
    context.globalCompositeOperation = "destination-in";
    context.drawImage(mask, 0, 0, this.#person.width, this.#person.height);
    this.#silhouette.width = this.#person.width;
    this.#silhouette.height = this.#person.height;
    const black = this.#silhouette.getContext("2d");
    black.drawImage(this.#person, 0, 0);
    black.globalCompositeOperation = "source-in";
    black.fillRect(0, 0, this.#person.width, this.#person.height);
    this.#extent = this.#found();
    this.#first = this.#standing();
    if (!same) this.#place = { ...this.#first };
    this.#set(false);
  }

  // "x,y,scale" for the engine; null where nothing was placed.
  get text() {
    if (!this.#place) return null;
    const { x, y, scale } = this.#place;
    return `${Math.round(x)},${Math.round(y)},${scale.toFixed(6)}`;
  }

  // Where the person stands across the background, from 0 (left) to 1.
  get middle() {
    return this.#place ? Math.min(1, Math.max(0, this.#feet()[0] / this.#scene.width)) : 0.5;
  }

  // 0 to 1000, evenly on a logarithmic scale.
  get size() {
    const ratio = this.#place.scale / this.#first.scale;
    return Math.round(500 + 500 * Math.log(ratio) / Math.log(RANGE));
  }

  set size(value) {
    this.#grow(this.#first.scale * RANGE ** ((value - 500) / 500) / this.#place.scale,
      ...this.#feet());
  }

  // The person's height as a share of the background's.
  get share() {
    const { top, bottom } = this.#extent;
    return (bottom - top) * this.#place.scale / this.#scene.height;
  }

  reset() {
    this.#place = { ...this.#first };
    this.#set(true);
  }

  cover() {
    const [scene, portrait] = [this.#scene, this.#portrait];
    const scale = Math.max(scene.width / portrait.width, scene.height / portrait.height);
    this.#place = {
      x: (scene.width - portrait.width * scale) / 2,
      y: (scene.height - portrait.height * scale) / 2,
      scale,
    };
    this.#set(true);
  }

  // How the shadow falls: { strength, angle, length }, angle and length null where they are guessed.
  set shadow(value) {
    this.#shadow = value?.strength ? value : null;
    if (this.#place) this.#draw();
  }

  #height() { return (this.#extent.bottom - this.#extent.top) * this.#place.scale; }

  #casts() {
    const { y, scale } = this.#place;
    return this.#shadow && laid.stands(this.#extent, this.#portrait, (this.#scene.height - y) / scale);
  }

  #aim(point) {
    const to = laid.towards(point, this.#feet(), this.#height());
    this.#shadow = { ...this.#shadow, ...to };
    this.#draw();
    this.#aimed(to);
    this.#changed(true);
  }

  // The composite as it is shown, without harmonization.
  drawOn(target) {
    const context = target.getContext("2d");
    const zoom = target.width / this.#scene.width;
    const { x, y, scale } = this.#place;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#scene.shown, 0, 0, target.width, target.height);
    const box = [Math.round(x) * zoom, Math.round(y) * zoom,
      this.#portrait.width * scale * zoom, this.#portrait.height * scale * zoom];
    const feet = this.#feet().map((v) => v * zoom);
    if (this.#casts() && target === this.#canvas) {
      laid.drawOn(context, this.#silhouette, this.#shadow, feet, this.#height() * zoom, box);
    }
    context.drawImage(this.#person, ...box);
    if (this.#casts() && target === this.#canvas) {
      laid.drawHandle(context, laid.end(this.#shadow, feet, this.#height() * zoom), feet);
    }
  }

  #found() {
    const { data, width, height } = pixels(this.#person);
    let [top, bottom, left, right] = [height, 0, width, 0];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (data[4 * (y * width + x) + 3] < SEEN) continue;
        top = Math.min(top, y);
        bottom = y + 1;
        left = Math.min(left, x);
        right = Math.max(right, x + 1);
      }
    }
    if (!bottom) [top, bottom, left, right] = [0, height, 0, width];
    const zoom = this.#portrait.width / width;
    return { top: top * zoom, bottom: bottom * zoom, left: left * zoom, right: right * zoom };
  }

  #standing() {
    const { width, height } = this.#scene;
    const { bottom, left, right } = this.#extent;
    const scale = Math.min(height / this.#portrait.height, width / (right - left), MOST_ENLARGED);
    return { x: width / 2 - scale * (left + right) / 2, y: height - scale * bottom, scale };
  }

  // Where the person stands, in the background's pixels.
  #feet() {
    const { x, y, scale } = this.#place;
    const { bottom, left, right } = this.#extent;
    return [x + scale * (left + right) / 2, y + scale * bottom];
  }

  // Scale about a point of the background, which stays where it is.
  #grow(factor, x, y) {
    const { width, height } = this.#portrait;
    const most = Math.sqrt(
      (LARGEST_LAYER + 4 * this.#scene.width * this.#scene.height) / (width * height)) * 0.999;
    const first = this.#first.scale;
    const scale = Math.min(most, first * RANGE, Math.max(first / RANGE, this.#place.scale * factor));
    const real = scale / this.#place.scale;
    this.#place = {
      x: x + (this.#place.x - x) * real, y: y + (this.#place.y - y) * real, scale,
    };
    this.#set(true);
  }

  #shift(right, down) {
    this.#place.x += right;
    this.#place.y += down;
    this.#set(true);
  }

  #set(byHand) {
    const { width, height } = this.#scene;
    const { top, bottom, left, right } = this.#extent;
    const { scale } = this.#place;
    const within = (value, low, high, room) => {
      const kept = KEPT * Math.min((high - low) * scale, room);
      return Math.min(room - kept - low * scale, Math.max(kept - high * scale, value));
    };
    this.#place.x = within(this.#place.x, left, right, width);
    this.#place.y = within(this.#place.y, top, bottom, height);
    this.#draw();
    this.#changed(byHand);
  }

  #down(event) {
    if (event.button !== 0) return;
    event.preventDefault(); // no selection, no drag of the picture
    this.#canvas.focus({ focusVisible: false });
    this.#canvas.setPointerCapture(event.pointerId);
    const at = this.#at(event);
    const zoom = this.#canvas.getBoundingClientRect().width / this.#scene.width;
    if (this.#casts() && laid.isAt(at, laid.end(this.#shadow, this.#feet(), this.#height()), zoom)) {
      this.#aiming = event.pointerId;
    } else {
      this.#pointers.set(event.pointerId, at);
    }
  }

  #move(event) {
    if (this.#aiming === event.pointerId) return this.#aim(this.#at(event));
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#at(event);
    this.#pointers.set(event.pointerId, now);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (!other) {
      this.#shift(now[0] - before[0], now[1] - before[1]);
      return;
    }
    const distance = (point) => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
    this.#shift((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.#grow(distance(now) / distance(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 / 40 : 1;
    this.#grow(1.02 ** Math.max(-10, Math.min(10, -event.deltaY * lines)), ...this.#at(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 1 : Math.max(1, 0.02 * this.#scene.width);
    const moves = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step],
    };
    const factor = { "+": 1.05, "=": 1.05, "-": 1 / 1.05, "−": 1 / 1.05 }[event.key];
    if (event.key in moves) this.#shift(...moves[event.key]);
    else if (factor) this.#grow(factor, ...this.#feet());
    else return;
    event.preventDefault();
  }

  #at(event) {
    return position(event, this.#canvas).map((v) => v * this.#scene.width / this.#canvas.width);
  }

  #draw() {
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.drawOn(this.#canvas);
    });
  }
}
