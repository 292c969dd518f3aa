// What the browser's and Node's door share: pictures of each kind in, the same kind out.

import { decoded, decodedMask, encoded, maskOf, withOpaque } from "./local-pictures.js";
import { Networks } from "./networks.js";

export function made(ort, { publicPath, read }) {
  let networks = null;
  ort.env.wasm.numThreads = 1; // more would need headers that simple hosts do not send

  function configure({ publicPath: path, wasmPaths, threads } = {}) {
    if (path !== undefined) {
      publicPath = new URL(path.replace(/\/?$/, "/"), globalThis.location?.href ?? publicPath).href;
      networks = null;
    }
    if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths;
    if (threads !== undefined) ort.env.wasm.numThreads = threads;
  }

  function working() {
    return networks ??= new Networks(ort, (file) => read(new URL(file, publicPath).href));
  }

  async function harmonize(image, mask = null, options = {}) {
    const picture = await pixels(image, "composite");
    const alpha = mask && await plane(mask);
    const { data, notes } = await working().harmonize(picture, alpha, options);
    options.onNotes?.(notes);
    return back(image, picture, data);
  }

  async function compose(portrait, background, options = {}) {
    const [person, scene] = [await pixels(portrait, "portrait"), await pixels(background, "background")];
    const alpha = options.mask ? await plane(options.mask) : null;
    const place = options.place && String(options.place); // an array becomes x,y,scale
    const { data, notes } = await working().compose(person, scene, alpha, { ...options, place });
    options.onNotes?.(notes);
    return back(background, scene, data);
  }

  async function matte(photo) {
    const { data, width, height } = await working().found(await pixels(photo, "photo"));
    const gray = Uint8ClampedArray.from(data, (value) => Math.round(255 * value));
    if (photo instanceof Blob) return encoded({ data: gray, width, height }, 1);
    const rgba = new Uint8ClampedArray(4 * gray.length);
    for (let i = 0; i < rgba.length; i++) rgba[i] = i % 4 === 3 ? 255 : gray[i >> 2];
    return back(photo, { width, height, opaque: true }, rgba);
  }

  return { configure, harmonize, compose, matte };
}

function canvasOf(image) {
  return ["HTMLCanvasElement", "OffscreenCanvas"].some(
    (name) => globalThis[name] && image instanceof globalThis[name]);
}

// A Blob, ImageData or the like, or canvas as { data, width, height, opaque }.
async function pixels(image, name) {
  if (image instanceof Blob) return decoded(image, name);
  let given = image;
  if (canvasOf(image)) {
    const context = image.getContext("2d");
    if (!context) throw new Error(`${name}: expected a canvas with a 2d context`);
    given = context.getImageData(0, 0, image.width, image.height);
  }
  const { data, width, height } = given ?? {};
  if (!(data?.length === 4 * width * height) || data.BYTES_PER_ELEMENT !== 1) {
    throw new Error(`${name}: expected a Blob, a canvas, or ImageData (data, width, height)`);
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return withOpaque({ data: bytes, width, height });
}

// A mask of any of these kinds, or one number from 0 to 1 a pixel: { data: Float32Array, ... }.
async function plane(mask) {
  if (mask instanceof Blob) return decodedMask(mask);
  if (mask.data instanceof Float32Array && mask.data.length === mask.width * mask.height) return mask;
  return maskOf(await pixels(mask, "mask"));
}

// The result in the kind that came.
function back(image, { width, height, opaque }, data) {
  if (image instanceof Blob) return encoded({ data, width, height }, opaque ? 3 : 4);
  const bytes = new Uint8ClampedArray(data.buffer, data.byteOffset, data.length);
  if (!globalThis.ImageData) return { data: bytes, width, height };
  const made = new ImageData(bytes, width, height);
  if (!canvasOf(image)) return made;
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(made, 0, 0);
  return canvas;
}
