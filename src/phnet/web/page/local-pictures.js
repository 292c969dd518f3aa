// Pictures to bytes and back. A canvas multiplies colors by alpha and so loses them where a
// picture is transparent: PNG files with alpha are read, and all PNG files are written, here.

const MOST_PIXELS = 50e6; // as the server's
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const LUMA = [0.299, 0.587, 0.114]; // as in phnet.images.color_profiles

// -> { data: RGBA bytes, width, height, opaque }, upright, in sRGB.
export async function decoded(blob, name) {
  const start = new Uint8Array(await blob.slice(0, 1 << 18).arrayBuffer());
  const isPng = SIGNATURE.every((value, i) => start[i] === value);
  if (isPng) {
    const header = new DataView(start.buffer, 16);
    check(header.getUint32(0), header.getUint32(4), name);
    // 8 bits RGBA, not interlaced, with no profile that a browser would have to apply
    if (header.getUint8(8) === 8 && header.getUint8(9) === 6 && header.getUint8(12) === 0 &&
        !holds(start, "iCCP")) {
      return pngPixels(new Uint8Array(await blob.arrayBuffer()), name);
    }
  }
  // Without a profile the file's own numbers count; with one the browser brings them to sRGB.
  const hasProfile = holds(start, "ICC_PROFILE") || holds(start, "iCCP") || holds(start, "ICCP");
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      colorSpaceConversion: hasProfile ? "default" : "none", premultiplyAlpha: "none",
      imageOrientation: "from-image",
    });
  } catch {
    throw new Error(`${name}: expected a whole picture of a kind that this browser can read`);
  }
  const { width, height } = bitmap;
  check(width, height, name);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (!context) throw new Error(`${name}: larger than this browser can draw`);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return withOpaque(bytesOf(context.getImageData(0, 0, width, height)));
}

// -> { data: floats from 0 to 1, width, height }: its alpha where that says something, else its gray.
export async function decodedMask(blob) {
  return maskOf(await decoded(blob, "mask"));
}

// The same of a decoded picture.
export function maskOf({ data, width, height, opaque }) {
  const plane = new Float32Array(width * height);
  for (let i = 0; i < plane.length; i++) {
    const at = 4 * i;
    plane[i] = opaque
      ? (LUMA[0] * data[at] + LUMA[1] * data[at + 1] + LUMA[2] * data[at + 2]) / 255
      : data[at + 3] / 255;
  }
  return { data: plane, width, height };
}

function bytesOf({ data, width, height }) {
  return { data: new Uint8Array(data.buffer), width, height };
}

export function withOpaque(picture) {
  let opaque = true;
  for (let i = 3; opaque && i < picture.data.length; i += 4) opaque = picture.data[i] === 255;
  return { ...picture, opaque };
}

function check(width, height, name) {
  if (width * height > MOST_PIXELS) {
    throw new Error(
      `${name}: expected at most ${MOST_PIXELS / 1e6} megapixels, got ${width}x${height}`);
  }
}

function holds(bytes, word) {
  const codes = [...word].map((letter) => letter.charCodeAt(0));
  for (let i = bytes.indexOf(codes[0]); i >= 0; i = bytes.indexOf(codes[0], i + 1)) {
    if (codes.every((code, k) => bytes[i + k] === code)) return true;
  }
  return false;
}

// -- PNG (https://www.w3.org/TR/png-3/) ---------------------------------------------------

async function through(stream, parts) {
  return new Uint8Array(await new Response(new Blob(parts).stream().pipeThrough(stream)).arrayBuffer());
}

// An 8-bit RGBA file.
async function pngPixels(file, name) {
  const view = new DataView(file.buffer);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const parts = [];
  for (let at = 8; at + 8 <= file.length;) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (kind === "IDAT") parts.push(file.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  let rows;
  try {
    rows = await through(new DecompressionStream("deflate"), parts);
  } catch {
    rows = [];
  }
  const stride = 4 * width;
  if (rows.length < (stride + 1) * height) {
    throw new Error(`${name}: expected a whole picture, but its data are broken or cut short`);
  }
  const data = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)];
    const line = rows.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
    const here = y * stride;
    for (let x = 0; x < stride; x++) {
      const left = x >= 4 ? data[here + x - 4] : 0;
      const up = y ? data[here + x - stride] : 0;
      const corner = x >= 4 && y ? data[here + x - stride - 4] : 0;
      data[here + x] = line[x] + predicted(filter, left, up, corner);
    }
  }
  return withOpaque({ data, width, height });
}

function predicted(filter, left, up, corner) {
  switch (filter) {
    case 0: return 0;
    case 1: return left;
    case 2: return up;
    case 3: return (left + up) >> 1;
    default: return paeth(left, up, corner);
  }
}

function paeth(left, up, corner) {
  const [toLeft, toUp] = [Math.abs(up - corner), Math.abs(left - corner)];
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

// { data, width, height } -> a PNG file; data are RGBA bytes of which 3 or 4 channels are kept,
// or, with 1 channel, a gray plane.
export async function encoded({ data, width, height }, channels) {
  const from = channels === 1 ? 1 : 4; // bytes a pixel of `data`
  const rows = new Uint8Array((channels * width + 1) * height);
  let at = 0;
  for (let y = 0; y < height; y++) {
    rows[at++] = y ? 4 : 1; // Paeth, and in the first row what is left of it
    const line = y * width * from;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        const i = line + x * from + c;
        const left = x ? data[i - from] : 0;
        const up = y ? data[i - width * from] : 0;
        const corner = x && y ? data[i - width * from - from] : 0;
        rows[at++] = data[i] - (y ? paeth(left, up, corner) : left);
      }
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, { 1: 0, 3: 2, 4: 6 }[channels], 0, 0, 0], 8);
  const content = await through(new CompressionStream("deflate"), [rows]);
  const parts = [
    new Uint8Array(SIGNATURE), ...chunk("IHDR", header), ...chunk("IDAT", content),
    ...chunk("IEND", new Uint8Array(0)),
  ];
  return new Blob(parts, { type: "image/png" });
}

function chunk(kind, content) {
  const start = new Uint8Array(8);
  new DataView(start.buffer).setUint32(0, content.length);
  start.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  const end = new Uint8Array(4);
  new DataView(end.buffer).setUint32(0, checksum(content, checksum(start.subarray(4))) ^ -1);
  return [start, content, end];
}

const TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function checksum(bytes, value = -1) { // CRC-32, without its last inversion
  for (let i = 0; i < bytes.length; i++) value = TABLE[(value ^ bytes[i]) & 255] ^ (value >>> 8);
  return value;
}
