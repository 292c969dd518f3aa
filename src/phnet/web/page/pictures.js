// Pictures in the browser: read, scaled for the screen, and written again.

const SHOWN = 1600; // the longer side of what is drawn on the screen

// A picture that was read: its own size, the whole of it, and a canvas of a size for the screen.
export class Picture {
  constructor(blob, image) {
    this.blob = blob;
    this.image = image;
    this.width = image.naturalWidth;
    this.height = image.naturalHeight;
    const scale = Math.min(1, SHOWN / Math.max(this.width, this.height));
    this.shown = canvas(Math.max(1, Math.round(this.width * scale)),
      Math.max(1, Math.round(this.height * scale)));
    const context = this.shown.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, this.shown.width, this.shown.height);
  }

  // Whether a part of it is see-through.
  get hasAlpha() {
    const values = pixels(this.shown).data;
    for (let i = 3; i < values.length; i += 4) if (values[i] < 255) return true;
    return false;
  }
}

// Reads a file; null where the browser cannot (TIFF in most, HEIC in many, and what is broken).
export async function read(blob) {
  const image = new Image();
  const address = URL.createObjectURL(blob);
  image.src = address;
  try {
    await image.decode();
    return image.naturalWidth ? new Picture(blob, image) : null;
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(address);
  }
}

export function canvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

// Read through a copy: a canvas that is read stays slow to draw.
export function pixels(drawn) {
  const copy = canvas(drawn.width, drawn.height);
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(drawn, 0, 0);
  return context.getImageData(0, 0, drawn.width, drawn.height);
}

export function png(drawn) {
  return new Promise((resolve, reject) => drawn.toBlob((blob) => {
    if (blob) resolve(blob);
    else reject(new Error("the browser has no room for a picture of this size"));
  }, "image/png"));
}

// Where the pointer is, in the canvas's own pixels.
export function position(event, drawn) {
  const box = drawn.getBoundingClientRect();
  return [
    (event.clientX - box.left) * drawn.width / box.width,
    (event.clientY - box.top) * drawn.height / box.height,
  ];
}
