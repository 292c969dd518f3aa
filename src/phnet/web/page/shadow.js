// The shadow as it is placed: the silhouette laid on the ground, and the handle at its end.
// The rules are those of phnet/compositing/shadow.py.

const FLAT = 0.35; // how much the ground is foreshortened
const STEEPEST = 85; // degrees, to each side
const LONGEST = 3; // heights of the person
const CUT = 0.02; // of the portrait's longer side: nearer to its lower frame the person is cut off
const NEAR = 18; // pixels of the canvas from which the handle is taken
const DARK = 0.45; // how dark it is drawn at full strength
const FIRST = { angle: 25, length: 0.6 }; // what is shown where the engine guesses

const radians = (degrees) => degrees * Math.PI / 180;

// Whether the person ends on the ground, and not at a frame: all in the portrait's pixels.
export function stands({ bottom }, portrait, seen) {
  return portrait.height - bottom > CUT * Math.max(portrait.width, portrait.height) && bottom <= seen;
}

// Where the end of a shadow is: the feet are at (x, y), the person's height is `height`.
export function end({ angle, length }, [x, y], height) {
  const [turn, long] = [radians(angle ?? FIRST.angle), (length ?? FIRST.length) * height];
  return [x + long * Math.sin(turn), y - FLAT * long * Math.cos(turn)];
}

// The angle and length of a shadow that ends at a point.
export function towards([toX, toY], [x, y], height) {
  const [aside, away] = [(toX - x) / height, Math.max(0, (y - toY) / (FLAT * height))];
  const angle = Math.atan2(aside, Math.max(away, 1e-6)) * 180 / Math.PI;
  return {
    angle: Math.round(Math.min(STEEPEST, Math.max(-STEEPEST, angle))),
    length: Number(Math.min(LONGEST, Math.hypot(aside, away)).toFixed(2)),
  };
}

export const isAt = (point, [x, y], zoom) => Math.hypot(point[0] - x, point[1] - y) * zoom < NEAR;

// Lay the silhouette (a canvas with the person's alpha) down; `box` is where the person is drawn.
export function drawOn(context, silhouette, { strength, angle, length }, feet, height, box) {
  const [x, y] = end({ angle, length }, feet, height);
  const [aside, up] = [(x - feet[0]) / height, Math.max(0.02, (feet[1] - y) / height)];
  context.save();
  context.transform(1, 0, -aside, up, aside * feet[1], feet[1] - up * feet[1]);
  context.globalAlpha = DARK * strength;
  context.drawImage(silhouette, ...box);
  context.restore();
}

export function drawHandle(context, [x, y], feet) {
  for (const [color, width] of [["#000", 4], ["#fff", 2]]) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(...feet);
    context.lineTo(x, y);
    context.stroke();
    context.beginPath();
    context.arc(x, y, 9, 0, 7);
    context.stroke();
  }
}
