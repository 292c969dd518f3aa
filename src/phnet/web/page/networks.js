// What the networks do with decoded pictures: the static page's worker and the npm package are made
// of this. One graph does the whole way of a picture: it takes bytes of any size and gives bytes of
// that size (src/phnet/web/graphs). A picture is { data: RGBA bytes, width, height, opaque }, an
// alpha { data: floats from 0 to 1, width, height }.

import { filled, visible } from "./transparency.js";

const LEAST_PERSON = 0.01; // as in phnet.matting.matte
const [BORDER, OUTSIDE] = [0.3, 0.7]; // as in phnet.matting.inverted
const INVERTED = "the person that is seen in the picture lies outside the mask (white is the "
  + "foreground): if the mask is white where the background is, invert it";
const LEAST = 0.5 / 255; // of a mask that is not empty
const SEEN = 0.5; // this and the next two as in phnet.compositing.placement
const MOST_ENLARGED = 2;
const LARGEST_LAYER = 1 << 24;
const GAMMA = 2.2; // this and the next two as in phnet.harmonization.tiling
const DAYLIGHT = 1e6 / 6500;
const MIREDS = 100;

export class Networks {
  // ort: onnxruntime-web; read: a file's name -> promise of its bytes; both are the host's own.
  constructor(ort, read) {
    this.ort = ort;
    this.read = read;
    this.sessions = new Map(); // file -> promise of a session
  }

  // -> { data, notes }: bytes of the composite's size, and sentences.
  async harmonize(picture, mask, options, tell = () => {}) {
    const chosen = await this.choice(options);
    const notes = [];
    let alpha = mask, seen = picture;
    const none = new this.ort.Tensor("uint8", new Uint8Array(0), [0, 0, 4]);
    const inputs = { foreground: none, background: none };
    if (mask) {
      checkMask(alpha, picture, "composite");
    } else {
      alpha = await this.found(picture.opaque ? picture : filled(picture), tell);
      notes.push("no mask was given; the person was found in the picture itself");
    }
    if (!picture.opaque) {
      alpha = visible(alpha, picture, !mask);
      const pasted = filled(picture, null, false);
      seen = filled(pasted, alpha);
      inputs.foreground = this.bytes(pasted);
      inputs.background = this.bytes(picture);
    }
    if (mask) notes.push(...await this.advice(alpha, seen, tell));
    Object.assign(inputs, { composite: this.bytes(seen), mask: this.plane(alpha) });
    return { data: await this.harmonized(inputs, chosen, tell), notes };
  }

  // -> { data, notes }: bytes of the scene's size, and sentences.
  async compose(person, scene, mask, { place, fit, ...options }, tell = () => {}) {
    const chosen = await this.choice(options);
    let alpha = mask, estimate = true;
    if (mask) {
      checkMask(alpha, person, "portrait");
      if (alpha.width !== person.width || alpha.height !== person.height) {
        throw new Error("mask: expected the portrait's own size");
      }
    } else if (!person.opaque) { // a cut-out: its colors are taken as they are
      alpha = alphaOf(person);
      estimate = false;
    } else {
      alpha = await this.found(person, tell);
    }
    const at = placed(place, fit, alpha, scene);
    const session = await this.loaded("compose.onnx", tell);
    tell("working");
    const made = await session.run({
      portrait: this.bytes(person), alpha: this.plane(alpha), scene: this.bytes(scene),
      estimate: new this.ort.Tensor("bool", [estimate], []),
      place: new this.ort.Tensor("int64", BigInt64Array.from(at, BigInt), [4]),
    });
    if (!made.mask.data.some((value) => value >= LEAST)) {
      throw new Error("place: expected to see the person, but it is outside");
    }
    const data = await this.harmonized({ ...made, background: this.bytes(scene) }, chosen, tell);
    const sides = cutSides(alpha);
    const cut = `the portrait's frame cuts the person off (${sides.join(", ")})`;
    return { data, notes: sides.length ? [cut] : [] };
  }

  // The alpha of the person in a picture.
  async found(picture, tell = () => {}) {
    const session = await this.loaded("matte.onnx", tell);
    tell("working");
    const { alpha, person } = await session.run({ photo: this.bytes(picture) });
    if (person.data[0] < LEAST_PERSON) throw new Error("no person was found in the picture");
    // Rounded as in a PNG, so that a mask that was found before gives the same colors.
    const data = alpha.data.map((value) => Math.round(255 * value) / 255);
    return { data, width: picture.width, height: picture.height };
  }

  // As phnet.matting.inverted.advice; the network is asked only where the mask may be inverted.
  async advice(mask, picture, tell) {
    const notes = maskNotes(mask);
    if (!mayBeInverted(mask) || mask.data.every((value) => value > 1 - LEAST)) return notes;
    const session = await this.loaded("matte.onnx", tell);
    tell("working");
    const { alpha, person } = await session.run({ photo: this.bytes(picture) });
    if (person.data[0] < LEAST_PERSON) return notes; // nobody, or a thing: its shape decides
    let all = 0, outside = 0;
    for (let y = 0; y < picture.height; y++) {
      const row = Math.floor((y + 0.5) * mask.height / picture.height) * mask.width;
      for (let x = 0; x < picture.width; x++) {
        const seen = alpha.data[y * picture.width + x];
        const column = Math.floor((x + 0.5) * mask.width / picture.width);
        all += seen;
        outside += seen * (1 - mask.data[row + column]);
      }
    }
    return outside > OUTSIDE * all ? [INVERTED] : [];
  }

  // What the options choose, checked against models.json and options.json.
  async choice({ model, ...given }) {
    this.lists ??= Promise.all(["models.json", "options.json"].map(
      async (file) => JSON.parse(new TextDecoder().decode(await this.read(file)))));
    this.lists.catch(() => { this.lists = null; }); // may be tried again
    const [listed, options] = await this.lists;
    const chosen = listed.find((entry) => (model ? entry.name === model : entry.default));
    if (!chosen) throw new Error(`model: expected one of ${listed.map((m) => m.name).join(", ")}`);
    const set = Object.fromEntries(options.map((option) => [option.name, checked(option, given)]));
    const lifts = options.find(({ name }) => name === "lift").choices.map(([value]) => value);
    return {
      file: chosen.file, strength: set.strength, lift: lifts.indexOf(set.lift),
      light: set.light ?? chosen.light ?? 0, gains: gains(set.exposure, set.warmth),
    };
  }

  async harmonized(inputs, { file, strength, lift, light, gains }, tell) {
    const session = await this.loaded(file, tell);
    tell("working");
    const answer = await session.run({
      ...inputs,
      strength: new this.ort.Tensor("float32", [strength], []),
      lift: new this.ort.Tensor("int32", [lift], []),
      light: new this.ort.Tensor("float32", [light], []),
      gains: new this.ort.Tensor("float32", gains, [3]),
    });
    return answer.harmonized.data;
  }

  loaded(file, tell) {
    if (!this.sessions.has(file)) {
      tell("loading");
      const made = this.read(file).then((content) => this.ort.InferenceSession.create(content, {
        executionProviders: ["wasm"], graphOptimizationLevel: "basic", // more takes longer than it saves
        enableCpuMemArena: false, enableMemPattern: false, // memory is given back
        logSeverityLevel: 3, // errors alone: what is merely odd would stand in the console in red
      }));
      made.catch(() => this.sessions.delete(file)); // may be tried again
      this.sessions.set(file, made);
    }
    return this.sessions.get(file);
  }

  bytes({ data, width, height }) {
    return new this.ort.Tensor("uint8", data, [height, width, 4]);
  }

  plane({ data, width, height }) {
    return new this.ort.Tensor("float32", data, [height, width]);
  }
}

// An option's value as it was given, or its default; null where a network has its own.
function checked({ name, choices, low, high, default: fallback }, given) {
  const value = given[name] ?? fallback;
  const expected = choices
    ? `one of ${choices.map(([choice]) => choice).join(", ")}`
    : `a number between ${low} and ${high}`;
  const good = choices
    ? choices.some(([choice]) => choice === value)
    : value === null || (typeof value === "number" && value >= low && value <= high);
  if (!good) throw new Error(`${name}: expected ${expected}, got ${value}`);
  return value;
}

// As phnet.harmonization.tiling.Trims.gains.
function gains(exposure, warmth) {
  const light = (mireds) => {
    const seen = [610e-9, 550e-9, 465e-9].map(
      (wave) => wave ** -5 / Math.expm1(1.438777e-2 / (wave * (1e6 / mireds))));
    return seen.map((value) => value / seen[1]);
  };
  const [there, here] = [light(DAYLIGHT + MIREDS * warmth), light(DAYLIGHT)];
  const color = there.map((value, c) => value / here[c]);
  const gray = 0.2126 * color[0] + 0.7152 * color[1] + 0.0722 * color[2];
  return color.map((value) => ((value / gray) * 2 ** exposure) ** (1 / GAMMA));
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

// As phnet.matting.inverted.may_be_inverted.
function mayBeInverted({ data, width, height }) {
  let covered = 0;
  for (let x = 0; x < width; x++) covered += data[x];
  for (let y = 0; y < height; y++) covered += data[y * width] + data[y * width + width - 1];
  return covered > BORDER * (width + 2 * height);
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
