/** Pixels, not multiplied by alpha: `ImageData`, or in Node any object like it. */
export interface Pixels {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** A mask as numbers from 0 to 1, one a pixel. */
export interface Plane {
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
}

/** What the browser can read as a picture; in Node a Blob must hold an RGBA PNG of 8 bits. */
export type Picture = Blob | Pixels | HTMLCanvasElement | OffscreenCanvas;

/** A Blob gives a Blob (PNG), ImageData gives ImageData (in Node an object like it), a canvas gives
 * an OffscreenCanvas. */
export type Same<T> = T extends Blob
  ? Blob
  : T extends HTMLCanvasElement | OffscreenCanvas
    ? OffscreenCanvas
    : Pixels & { readonly data: Uint8ClampedArray };

export interface Look {
  /** How much of the scene's light the person takes on, 0 to 1; by default the network's own. */
  light?: number;
  /** How much of the change to take, 0 to 2; by default 1. */
  strength?: number;
  /** Brighter or darker after the match, in stops, -3 to 3. */
  exposure?: number;
  /** Warmer or colder after the match, -1 to 1; 1 is 100 mireds. */
  warmth?: number;
  /** How the network's small result comes to full size; by default "auto". */
  lift?: "auto" | "guided" | "lut" | "none";
  /** The name of a network in models.json. */
  model?: string;
  /** Gets sentences about what was done. */
  onNotes?: (notes: string[]) => void;
}

export interface Compose extends Look {
  /** Where the person is in the portrait; without it, its alpha counts, or the person is found. */
  mask?: Picture | Plane | null;
  /** "x,y,scale" or [x, y, scale]; by default at the bottom, centered. */
  place?: string | [number, number, number];
  /** Let the portrait cover the whole background instead. */
  fit?: "cover";
}

/** Set up before the first picture. */
export function configure(options: {
  /** The folder of the networks (`models/` of this package); by default beside this module. */
  publicPath?: string;
  /** ONNX Runtime's own files, see `env.wasm.wasmPaths` of onnxruntime-web. */
  wasmPaths?: string | { mjs?: string; wasm?: string };
  /** Threads of WebAssembly; more than the default 1 need a page that is cross-origin isolated. */
  threads?: number;
}): void;

/** Make the person pasted into a picture belong there. Where the mask is 0 nothing changes. */
export function harmonize<T extends Picture>(
  image: T,
  mask?: Picture | Plane | null,
  options?: Look,
): Promise<Same<T>>;

/** Put the person of a portrait in front of a background, in harmony with it. */
export function compose<T extends Picture>(
  portrait: Picture,
  background: T,
  options?: Compose,
): Promise<Same<T>>;

/** Where the person is: white on black. */
export function matte<T extends Picture>(photo: T): Promise<Same<T>>;
