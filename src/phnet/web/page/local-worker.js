// Runs the networks for local.js. One graph does the whole way of a picture: it takes bytes of any
// size and gives bytes of that size (src/phnet/graphs).

import * as ort from "./ort.wasm.bundle.min.js";
import { decoded, decodedMask, encoded } from "./local-pictures.js";

const LIFTS = ["guided", "lut", "none"]; // in the order of phnet.graphs.harmonizing
const LEAST_PERSON = 0.01; // as in phnet.matte
const sessions = new Map(); // file -> promise of a session
let turn = Promise.resolve();

ort.env.wasm.numThreads = 1; // more would need headers that simple hosts do not send
ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };

const works = { matte, harmonize };

self.onmessage = ({ data }) => {
  turn = turn.then(async () => {
    try {
      const tell = (stage, share = null) => {
        self.postMessage({ number: data.number, progress: { stage, share } });
      };
      self.postMessage({ number: data.number, result: await works[data.work](data, tell) });
    } catch (error) {
      self.postMessage({ number: data.number, sentence: sentenceOf(error) });
    }
  });
};

function sentenceOf(error) {
  const message = String(error?.message ?? error);
  if (/memory|allocat|bad_alloc|Array buffer/i.test(message)) {
    return "this picture needs more memory than the browser gives; try a smaller one";
  }
  return message.split("\n")[0].replace(/\.$/, "");
}

async function harmonize({ composite, mask, strength, lift, model }, tell) {
  const listed = await (await fetch(new URL("models.json", import.meta.url))).json();
  const chosen = listed.find((entry) => (model ? entry.name === model : entry.default));
  if (!chosen) throw new Error(`model: expected one of ${listed.map((m) => m.name).join(", ")}`);
  if (!LIFTS.includes(lift)) throw new Error(`lift: expected one of ${LIFTS.join(", ")}`);
  const picture = await decoded(composite, "composite");
  const notes = [];
  let alpha;
  if (mask) {
    alpha = await decodedMask(mask);
    checkAspect(alpha, picture);
  } else {
    alpha = await found(picture, tell);
    notes.push("no mask was given; the person was found in the picture itself");
  }
  notes.push(...maskNotes(alpha));
  const session = await loaded(chosen.file, tell);
  tell("working");
  const { harmonized } = await session.run({
    composite: new ort.Tensor("uint8", picture.data, [picture.height, picture.width, 4]),
    mask: new ort.Tensor("uint8", alpha.data, [alpha.height, alpha.width]),
    strength: new ort.Tensor("float32", [strength], []),
    lift: new ort.Tensor("int32", [LIFTS.indexOf(lift)], []),
  });
  const result = { data: harmonized.data, width: picture.width, height: picture.height };
  return { picture: await encoded(result, picture.opaque ? 3 : 4), notes: notes.join("; ") };
}

async function matte({ photo }, tell) {
  return encoded(await found(await decoded(photo, "photo"), tell), 1);
}

// The alpha of the person in a decoded picture.
async function found({ data, width, height }, tell) {
  const session = await loaded("matte.onnx", tell);
  tell("working");
  const { alpha, person } = await session.run({
    photo: new ort.Tensor("uint8", data, [height, width, 4]),
  });
  if (person.data[0] < LEAST_PERSON) throw new Error("no person was found in the picture");
  return { data: alpha.data, width, height };
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

// As phnet.pixels.check_mask.
function checkAspect(mask, { width, height }) {
  const off = Math.min(
    Math.abs(mask.width - width * mask.height / height),
    Math.abs(mask.height - height * mask.width / width),
  );
  if (off > 1) {
    throw new Error(
      `mask: expected the composite's aspect (${width}x${height}), got ${mask.width}x${mask.height}`,
    );
  }
  if (!mask.data.some((value) => value > 0)) {
    throw new Error("mask: expected a foreground (white), but the mask is empty (all black)");
  }
}

// As phnet.pixels.mask_notes.
function maskNotes({ data, width, height }) {
  if (data.every((value) => value === 255)) {
    return ["the mask covers everything: there is no background to learn colours from"];
  }
  const white = (rows, columns) => {
    let count = 0, all = 0;
    for (let y = rows[0]; y < rows[1]; y++) {
      for (let x = columns[0]; x < columns[1]; x++, all++) count += data[y * width + x] > 127;
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
