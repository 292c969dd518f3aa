// As phnet.images.transparency: what lies hidden under alpha 0 is no part of a picture, and is
// filled in from what can be seen before a network looks. Pictures as in networks.js.

const SIDE = 256;
const SURE = 0.25;
const FAINT = 0.5 / 255;
const LEAST_AROUND = 0.05;
const MOST_CARRIED = 0.3; // as in phnet.harmonization.harmonize_picture

// The mask at the picture's size, and 0 where nothing can be seen.
export function visible(mask, picture, wasFound) {
  const { data, width, height } = picture;
  const area = mask.height >= height;
  const share = resized(mask.data, mask.width, mask.height, width, height, 1, area).slice();
  let [inside, outside, most] = [0, 0, 0];
  for (let i = 0; i < share.length; i++) {
    const opacity = data[4 * i + 3] / 255;
    share[i] = opacity ? Math.min(1, Math.max(0, share[i])) : 0;
    inside += opacity * share[i];
    outside += Math.max(0, opacity - share[i]);
    most = Math.max(most, share[i]);
  }
  if (most < FAINT) throw new Error("the mask lies where the composite is transparent");
  if (outside <= (wasFound ? MOST_CARRIED : LEAST_AROUND) * inside) {
    throw new Error("the composite is transparent around the person: there is no background to "
      + "learn colors from; compose puts a cut-out in front of one");
  }
  return { data: share, width, height };
}

// The picture with hidden colors filled in. mask: the person, whose colors do not spread; whole:
// half-transparent pixels are blended with what lies behind them, else they keep their colors.
export function filled(picture, mask = null, whole = true) {
  const { data, width, height } = picture;
  const scale = Math.min(1, SIDE / Math.max(width, height));
  const [w, h] = [width, height].map((side) => Math.max(1, even(side * scale)));
  const count = width * height;
  const weight = new Float32Array(count), colors = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    weight[i] = (data[4 * i + 3] / 255) * (mask ? 1 - mask.data[i] : 1);
    for (let c = 0; c < 3; c++) colors[3 * i + c] = (data[4 * i + c] / 255) * weight[i];
  }
  const known = resized(weight, width, height, w, h, 1, true);
  const sure = known.map((value) => Math.min(1, value / SURE));
  const seen = resized(colors, width, height, w, h, 3, true).map((value, k) => {
    const i = Math.floor(k / 3);
    return value * sure[i] / Math.max(known[i], 1e-6);
  });
  const behind = resized(pulledAndPushed(seen, sure, w, h), w, h, width, height, 3, false);
  const result = new Uint8Array(data);
  for (let i = 0; i < count; i++) {
    const alpha = data[4 * i + 3];
    const share = whole ? alpha / 255 : Number(alpha > 0);
    if (share === 1) continue;
    for (let c = 0; c < 3; c++) {
      const mixed = data[4 * i + c] * share + 255 * behind[3 * i + c] * (1 - share);
      result[4 * i + c] = even(Math.min(255, Math.max(0, mixed)));
    }
  }
  return { ...picture, data: result };
}

// As phnet.images.push_pull.pulled_and_pushed; colors are times their share already.
function pulledAndPushed(colors, share, width, height) {
  const least = share.reduce((low, value) => Math.min(low, value), 1);
  if (Math.min(width, height) <= 1 || least > 1 - FAINT) {
    const all = Math.max(1e-6, share.reduce((sum, value) => sum + value, 0));
    const mean = [0, 1, 2].map((c) => {
      let sum = 0;
      for (let k = c; k < colors.length; k += 3) sum += colors[k];
      return sum / all;
    });
    return colors.map((value, k) => {
      const own = share[Math.floor(k / 3)];
      return own > FAINT ? value / own : mean[k % 3];
    });
  }
  const [w, h] = [width, height].map((side) => (side + 1) >> 1);
  const weight = resized(share, width, height, w, h, 1, true);
  const grown = weight.map((value) => Math.min(1, 4 * value));
  const below = resized(colors, width, height, w, h, 3, true).map((value, k) => {
    const i = Math.floor(k / 3);
    return value * grown[i] / Math.max(weight[i], 1e-6);
  });
  const rough = resized(pulledAndPushed(below, grown, w, h), w, h, width, height, 3, false);
  return colors.map((value, k) => value + (1 - share[Math.floor(k / 3)]) * rough[k]);
}

// (height, width, channels) at another size: means of areas, or linear between pixels.
function resized(data, width, height, toWidth, toHeight, channels, area) {
  if (width === toWidth && height === toHeight) return data;
  const across = taps(width, toWidth, area), down = taps(height, toHeight, area);
  const slim = new Float32Array(height * toWidth * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < toWidth; x++) {
      for (const [from, share] of across[x]) {
        for (let c = 0; c < channels; c++) {
          slim[(y * toWidth + x) * channels + c] += share * data[(y * width + from) * channels + c];
        }
      }
    }
  }
  const row = toWidth * channels;
  const result = new Float32Array(toHeight * row);
  for (let y = 0; y < toHeight; y++) {
    for (const [from, share] of down[y]) {
      for (let k = 0; k < row; k++) result[y * row + k] += share * slim[from * row + k];
    }
  }
  return result;
}

// For each new place, the old ones and their shares.
function taps(side, toSide, area) {
  const scale = side / toSide;
  return Array.from({ length: toSide }, (_, at) => {
    if (!area) {
      const place = Math.min(side - 1, Math.max(0, (at + 0.5) * scale - 0.5));
      const first = Math.min(Math.floor(place), Math.max(0, side - 2));
      return side === 1 ? [[0, 1]] : [[first, 1 - place + first], [first + 1, place - first]];
    }
    const [start, end] = [at * scale, Math.min(side, (at + 1) * scale)];
    const found = [];
    for (let from = Math.floor(start); from < end - 1e-9; from++) {
      found.push([from, (Math.min(end, from + 1) - Math.max(start, from)) / (end - start)]);
    }
    return found;
  });
}

function even(value) { // rounds halves to even, as Python does
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}
