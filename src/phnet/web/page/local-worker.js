// Runs the networks for local.js. One graph does the whole way of a picture: it takes bytes of any
// size and gives bytes of that size (src/phnet/web/graphs).

import * as ort from "./ort.wasm.bundle.min.js";
import { decoded, decodedMask, encoded } from "./local-pictures.js";

const LIFTS = ["auto", "guided", "lut", "none"]; // in the order of phnet.web.graphs.harmonize
const LEAST_PERSON = 0.01; // as in phnet.matting.matte
const LEAST = 0.5 / 255; // of a mask that is not empty
const SEEN = 0.5; // this and the next two as in phnet.compositing.placement
const MOST_ENLARGED = 2;
const LARGEST_LAYER = 1 << 24;
const [DAYLIGHT, MIREDS, GAMMA] = [1e6 / 6500, 100, 2.2]; // as in phnet.harmonization.tiling
const sessions = new Map(); // file -> promise of a session
let turn = Promise.resolve();

ort.env.wasm.numThreads = 1; // more would need headers that simple hosts do not send
ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };

const works = { matte, harmonize, compose };

self.onmessage = ({ data }) => {
  turn = turn.then(async () => {
    try {
      const tell = (stage, share = null) => {
        self.postMessage({ number: data.number, progress: { stage, share } });
      };
      self.postMessage({ number: data.number, result: await works[data.work](data, tell) });
    } catch (error) {
      const full = /memory|allocat|bad_alloc|Array buffer/i.test(error?.message ?? error);
      const sentence = full
        ? "this picture needs more memory than the browser gives; try a smaller one"
        : String(error?.message ?? error).split("\n")[0].replace(/\.$/, "");
      self.postMessage({ number: data.number, sentence, full });
    }
  });
};

async function harmonize({ composite, mask, ...options }, tell) {
  const chosen = await choice(options);
  const picture = await decoded(composite, "composite");
  const notes = [];
  let alpha;
  if (mask) {
    alpha = await decodedMask(mask);
    checkMask(alpha, picture, "composite");
  } else {
    alpha = await found(picture, tell);
    notes.push("no mask was given; the person was found in the picture itself");
  }
  notes.push(...maskNotes(alpha));
  const inputs = { composite: bytes(picture), mask: plane(alpha), foreground: none(), background: none() };
  const data = await harmonized(inputs, chosen, tell);
  return { picture: await encoded({ ...picture, data }, channels(picture)), notes: notes.join("; ") };
}

async function compose({ portrait, background, mask, place, fit, ...options }, tell) {
  const chosen = await choice(options);
  const scene = await decoded(background, "background");
  const person = await decoded(portrait, "portrait");
  let alpha, estimate = true;
  if (mask) {
    alpha = await decodedMask(mask);
    checkMask(alpha, person, "portrait");
    if (alpha.width !== person.width || alpha.height !== person.height) {
      throw new Error("mask: expected the portrait's own size");
    }
  } else if (!person.opaque) { // a cut-out: its colors are taken as they are
    alpha = alphaOf(person);
    estimate = false;
  } else {
    alpha = await found(person, tell);
  }
  const at = placed(place, fit, alpha, scene);
  const session = await loaded("compose.onnx", tell);
  tell("working");
  const made = await session.run({
    portrait: bytes(person), alpha: plane(alpha), scene: bytes(scene),
    estimate: new ort.Tensor("bool", [estimate], []),
    place: new ort.Tensor("int64", BigInt64Array.from(at, BigInt), [4]),
  });
  if (!made.mask.data.some((value) => value >= LEAST)) {
    throw new Error("place: expected to see the person, but it is outside");
  }
  const data = await harmonized({ ...made, background: bytes(scene) }, chosen, tell);
  const sides = cutSides(alpha);
  const notes = sides.length ? `the portrait's frame cuts the person off (${sides.join(", ")})` : "";
  return { picture: await encoded({ ...scene, data }, channels(scene)), notes };
}

// What the options choose, checked.
async function choice({ strength, lift, model, light, exposure = 0, warmth = 0 }) {
  const listed = await (await fetch(new URL("models.json", import.meta.url))).json();
  const chosen = listed.find((entry) => (model ? entry.name === model : entry.default));
  if (!chosen) throw new Error(`model: expected one of ${listed.map((m) => m.name).join(", ")}`);
  if (!LIFTS.includes(lift)) throw new Error(`lift: expected one of ${LIFTS.join(", ")}`);
  return {
    file: chosen.file, strength, lift: LIFTS.indexOf(lift), light: light ?? chosen.light ?? 0,
    gains: gains(exposure, warmth),
  };
}

async function harmonized(inputs, { file, strength, lift, light, gains }, tell) {
  const session = await loaded(file, tell);
  tell("working");
  const answer = await session.run({
    ...inputs,
    strength: new ort.Tensor("float32", [strength], []),
    lift: new ort.Tensor("int32", [lift], []),
    light: new ort.Tensor("float32", [light], []),
    gains: new ort.Tensor("float32", gains, [3]),
  });
  return answer.harmonized.data;
}

// What encoded red, green and blue are multiplied by: as phnet.harmonization.tiling.Trims.
function gains(exposure, warmth) {
  if (!exposure && !warmth) return [1, 1, 1];
  const radiance = (mireds) => {
    const each = [610e-9, 550e-9, 465e-9].map(
      (wave) => wave ** -5 / Math.expm1((1.438777e-2 / wave) * (mireds / 1e6)));
    return each.map((one) => one / each[1]);
  };
  const from = radiance(DAYLIGHT);
  const color = radiance(DAYLIGHT + MIREDS * warmth).map((one, i) => one / from[i]);
  const luma = color.reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
  return color.map((one) => ((one / luma) * 2 ** exposure) ** (1 / GAMMA));
}

function bytes({ data, width, height }) {
  return new ort.Tensor("uint8", data, [height, width, 4]);
}

function plane({ data, width, height }) {
  return new ort.Tensor("float32", data, [height, width]);
}

function none() {
  return new ort.Tensor("uint8", new Uint8Array(0), [0, 0, 4]);
}

function channels(picture) {
  return picture.opaque ? 3 : 4;
}

async function matte({ photo }, tell) {
  const alpha = await found(await decoded(photo, "photo"), tell);
  return encoded({ ...alpha, data: Uint8Array.from(alpha.data, (value) => Math.round(255 * value)) }, 1);
}

// The alpha of the person in a decoded picture.
async function found({ data, width, height }, tell) {
  const session = await loaded("matte.onnx", tell);
  tell("working");
  const { alpha, person } = await session.run({
    photo: bytes({ data, width, height }),
  });
  if (person.data[0] < LEAST_PERSON) throw new Error("no person was found in the picture");
  // Rounded as in a PNG, so that a mask that was found before gives the same colors.
  return { data: alpha.data.map((value) => Math.round(255 * value) / 255), width, height };
}

function loaded(file, tell) {
  if (!sessions.has(file)) {
    tell("loading");
    const made = download(file).then((content) => ort.InferenceSession.create(content, {
      executionProviders: ["wasm"], graphOptimizationLevel: "basic", // more takes longer than it saves
      enableCpuMemArena: false, enableMemPattern: false, // memory is given back
    }));
    made.catch(() => sessions.delete(file)); // may be tried again
    sessions.set(file, made);
  }
  return sessions.get(file);
}

async function download(file) {
  const answer = await fetch(new URL(file, import.meta.url));
  if (!answer.ok) throw new Error(`${file} cannot be loaded (status ${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

// As phnet.images.arrays.check_mask.
function checkMask(mask, { width, height }, name) {
  const off = Math.min(
    Math.abs(mask.width - width * mask.height / height),
    Math.abs(mask.height - height * mask.width / width),
  );
  if (off > 1) {
    throw new Error(
      `mask: expected the ${name}'s aspect (${width}x${height}), got ${mask.width}x${mask.height}`,
    );
  }
  if (!mask.data.some((value) => value >= LEAST)) {
    throw new Error("mask: expected a foreground (white), but the mask is empty (all black)");
  }
}

// As phnet.images.arrays.mask_notes.
function maskNotes({ data, width, height }) {
  if (data.every((value) => value > 1 - LEAST)) {
    return ["the mask covers everything: there is no background to learn colors from"];
  }
  const white = (rows, columns) => {
    let count = 0, all = 0;
    for (let y = rows[0]; y < rows[1]; y++) {
      for (let x = columns[0]; x < columns[1]; x++, all++) count += data[y * width + x] > 0.5;
    }
    return { count, all };
  };
  const edges = [
    white([0, 1], [0, width]), white([height - 1, height], [0, width]),
    white([0, height], [0, 1]), white([0, height], [width - 1, width]),
  ];
  const border = edges.reduce((sum, e) => sum + e.count, 0) / (2 * (width + height));
  const [top, left] = [height >> 2, width >> 2];
  const middle = white([top, height - top], [left, width - left]);
  if (border > 0.6 && middle.all && middle.count / middle.all < 0.5) {
    return ["the mask's white part looks like the background (white is the foreground)"];
  }
  return [];
}

// -- placing, as phnet.compositing.placement ----------------------------------------------------------------

// x, y, rows, columns of the portrait in the scene, whole numbers.
function placed(place, fit, alpha, scene) {
  let x, y, scale;
  if (place) {
    [x, y, scale] = place.split(",").map(Number);
  } else if (fit) {
    scale = Math.max(scene.height / alpha.height, scene.width / alpha.width);
    [x, y] = [(scene.width - alpha.width * scale) / 2, (scene.height - alpha.height * scale) / 2];
  } else {
    const { bottom, left, right } = extent(alpha);
    scale = Math.min(scene.height / alpha.height, scene.width / (right - left), MOST_ENLARGED);
    [x, y] = [scene.width / 2 - scale * (left + right) / 2, scene.height - scale * bottom];
  }
  if (![x, y, scale].every(Number.isFinite) || scale <= 0) {
    throw new Error(`place: expected x, y and a scale above 0, got ${place}`);
  }
  const [rows, columns] = [alpha.height, alpha.width].map((side) => Math.max(1, even(side * scale)));
  [x, y] = [even(x), even(y)];
  if (rows * columns > LARGEST_LAYER + 4 * scene.width * scene.height) {
    throw new Error(`place: the portrait would be enlarged to ${columns}x${rows} pixels`);
  }
  if (x >= scene.width || y >= scene.height || x + columns <= 0 || y + rows <= 0) {
    throw new Error("place: expected to see the person, but it is outside");
  }
  return [x, y, rows, columns];
}

function even(value) { // rounds halves to even, as Python does
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

function extent({ data, width, height }) {
  const least = Math.min(SEEN, data.reduce((most, value) => Math.max(most, value), 0));
  let [bottom, left, right] = [0, width, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x] >= least) {
        bottom = y + 1;
        left = Math.min(left, x);
        right = Math.max(right, x + 1);
      }
    }
  }
  return { bottom, left, right };
}

function cutSides({ data, width, height }) {
  const least = Math.max(1, even(0.02 * Math.max(width, height)));
  const column = (x) => Array.from({ length: height }, (_, y) => data[y * width + x]);
  const edges = { left: column(0), right: column(width - 1), top: [...data.subarray(0, width)] };
  return Object.keys(edges).filter(
    (name) => edges[name].filter((value) => value >= SEEN).length >= least);
}

function alphaOf({ data, width, height }) {
  return { data: Float32Array.from({ length: width * height }, (_, i) => data[4 * i + 3] / 255), width, height };
}
