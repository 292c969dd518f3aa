// Runs the networks for local.js: decodes, works (networks.js), encodes.

import * as ort from "./ort.wasm.bundle.min.js";
import { decoded, decodedMask, encoded } from "./local-pictures.js";
import { Networks } from "./networks.js";

const networks = new Networks(ort, download);
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
  const picture = await decoded(composite, "composite");
  const alpha = mask && await decodedMask(mask);
  const { data, notes } = await networks.harmonize(picture, alpha, options, tell);
  return { picture: await encoded({ ...picture, data }, channels(picture)), notes: notes.join("; ") };
}

async function compose({ portrait, background, mask, ...options }, tell) {
  const scene = await decoded(background, "background");
  const person = await decoded(portrait, "portrait");
  const alpha = mask && await decodedMask(mask);
  const { data, notes } = await networks.compose(person, scene, alpha, options, tell);
  return { picture: await encoded({ ...scene, data }, channels(scene)), notes: notes.join("; ") };
}

async function matte({ photo }, tell) {
  const alpha = await networks.found(await decoded(photo, "photo"), tell);
  return encoded({ ...alpha, data: Uint8Array.from(alpha.data, (value) => Math.round(255 * value)) }, 1);
}

function channels(picture) {
  return picture.opaque ? 3 : 4;
}

async function download(file) {
  const answer = await fetch(new URL(file, import.meta.url));
  if (!answer.ok) throw new Error(`${file} cannot be loaded (status ${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}
