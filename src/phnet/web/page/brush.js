// The canvas where a mask is painted: a pointer, or the keyboard alone.

import { canvas, position } from "./pictures.js";
import { drawMore, lengthen } from "./mask.js";

const TINT = "rgba(200, 20, 110, 0.55)"; // over what is not the person

export class Brush {
  #canvas;
  #changed; // called when the mask was changed
  #say;
  #picture = null;
  #mask = null;
  #seen = canvas(1, 1); // the mask at the screen's size, as alpha
  #tinted = canvas(1, 1);
  #stroke = null; // the step being painted
  #cursor = null; // x, y in the picture's pixels
  #keyboard = false; // whether the cursor was moved by it last
  #share = 0.05; // radius, of the picture's longer side
  #waiting = false;

  adds = true;

  constructor(element, changed, say) {
    this.#canvas = element;
    this.#changed = changed;
    this.#say = say;
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerup", () => this.#finish());
    element.addEventListener("pointercancel", () => this.#giveUp());
    element.addEventListener("pointerleave", () => {
      if (!this.#stroke) this.#cursor = null;
      this.#draw();
    });
    element.addEventListener("blur", () => this.#finish());
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  // 0 to 100, from the finest brush to the widest.
  set size(value) {
    this.#share = 0.002 * 100 ** (value / 100);
    this.#draw();
  }

  get #radius() { return this.#share * Math.max(this.#picture.width, this.#picture.height); }
  get #scale() { return this.#seen.width / this.#picture.width; }

  show(picture, mask) {
    this.#picture = picture;
    this.#mask = mask;
    this.#stroke = null;
    this.#cursor = null;
    for (const each of [this.#canvas, this.#seen, this.#tinted]) {
      each.width = picture.shown.width;
      each.height = picture.shown.height;
    }
    this.refresh();
  }

  // Draw all of the mask again.
  refresh() {
    this.#mask.drawOn(this.#seen);
    this.#draw();
  }

  // The mask as alpha, at the screen's size.
  get seen() { return this.#seen; }

  #begin(x, y) {
    this.#stroke = { kind: "stroke", adds: this.adds, radius: this.#radius, stamps: [] };
    this.#paint(x, y);
  }

  #paint(x, y) {
    const first = this.#stroke.stamps.length;
    lengthen(this.#stroke, x, y);
    drawMore(this.#seen, this.#stroke, this.#scale, first);
  }

  #finish() {
    if (!this.#stroke) return;
    this.#mask.add(this.#stroke);
    this.#stroke = null;
    this.#draw();
    this.#changed();
  }

  #giveUp() {
    this.#stroke = null;
    this.refresh();
  }

  #down(event) {
    if (!event.isPrimary || event.button !== 0) return;
    this.#keyboard = false;
    this.#finish(); // of the keyboard
    this.#canvas.setPointerCapture(event.pointerId);
    this.#cursor = this.#at(event);
    this.#begin(...this.#cursor);
    this.#draw();
  }

  #move(event) {
    if (!event.isPrimary || (this.#keyboard && this.#stroke)) return;
    this.#keyboard = false;
    const passed = this.#stroke ? event.getCoalescedEvents?.() ?? [] : [];
    for (const each of passed.length ? passed : [event]) {
      this.#cursor = this.#at(each);
      if (this.#stroke) this.#paint(...this.#cursor);
    }
    this.#draw();
  }

  #at(event) { return position(event, this.#canvas).map((value) => value / this.#scale); }

  #key(event) {
    const step = this.#radius * (event.shiftKey ? 0.1 : 0.5);
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ways) {
      const { width, height } = this.#picture;
      const [x, y] = this.#cursor ?? [width / 2, height / 2];
      const [right, down] = ways[event.key];
      this.#cursor = [
        Math.min(width, Math.max(0, x + right * step)),
        Math.min(height, Math.max(0, y + down * step)),
      ];
      if (this.#stroke) this.#paint(...this.#cursor);
    } else if (event.key === " ") {
      if (event.repeat) return;
      if (this.#stroke) {
        this.#finish();
        this.#say("Brush lifted.");
      } else {
        this.#cursor ??= [this.#picture.width / 2, this.#picture.height / 2];
        this.#begin(...this.#cursor);
        this.#say(`Brush down: the arrows paint ${this.adds ? "in" : "out"}.`);
      }
    } else if (event.key === "Escape" && this.#stroke) {
      this.#giveUp();
      this.#say("Stroke given up.");
      event.stopPropagation();
    } else {
      return;
    }
    this.#keyboard = true;
    this.#follow();
    event.preventDefault();
    this.#draw();
  }

  // Keep the keyboard's cursor in view where the canvas is zoomed.
  #follow() {
    if (!this.#cursor) return;
    const well = this.#canvas.parentElement;
    const [x, y] = this.#cursor.map((v) => v * this.#canvas.clientWidth / this.#picture.width);
    const near = (start, seen, at) => Math.min(at - seen / 5, Math.max(at - seen * 4 / 5, start));
    well.scrollTo(near(well.scrollLeft, well.clientWidth, x),
      near(well.scrollTop, well.clientHeight, y));
  }

  #draw() {
    if (this.#waiting || !this.#picture) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.#drawNow();
    });
  }

  #drawNow() {
    const { width, height } = this.#canvas;
    const tint = this.#tinted.getContext("2d");
    tint.globalCompositeOperation = "copy";
    tint.fillStyle = TINT;
    tint.fillRect(0, 0, width, height);
    tint.globalCompositeOperation = "destination-out";
    tint.drawImage(this.#seen, 0, 0);
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.drawImage(this.#picture.shown, 0, 0);
    context.drawImage(this.#tinted, 0, 0);
    if (this.#cursor) this.#drawCursor(context);
  }

  #drawCursor(context) {
    const [x, y] = this.#cursor.map((value) => value * this.#scale);
    const thin = this.#canvas.width / (this.#canvas.clientWidth || this.#canvas.width);
    for (const [color, wide] of [["#000", 3], ["#fff", 1.5]]) {
      context.strokeStyle = color;
      context.lineWidth = wide * thin;
      context.setLineDash(this.adds ? [] : [5 * thin, 4 * thin]);
      context.beginPath();
      context.arc(x, y, Math.max(1, this.#radius * this.#scale), 0, 2 * Math.PI);
      context.stroke();
    }
    context.setLineDash([]);
  }
}
