// The cases of the npm package, in Node and in the browser; host_npm.py compares what comes.

const LOOK = { light: 0.6, strength: 0.8, exposure: 0.3, warmth: -0.2 };

// phnet: the package; get: a name -> promise of { data, width, height }; put: name, such a thing.
export async function cases(phnet, get, put) {
  const [composite, mask, scene] = await Promise.all(["composite", "mask", "scene"].map(get));
  await put("harmonize", await phnet.harmonize(composite, mask, LOOK));
  await put("lut", await phnet.harmonize(composite, mask, { lift: "lut" }));
  await put("compose", await phnet.compose(composite, scene, { mask, place: [40, 30, 0.5], ...LOOK }));
  await put("matte", await phnet.matte(composite));
  const file = new Blob([await get("composite.png")]);
  const made = await phnet.harmonize(file, mask);
  if (!(made instanceof Blob) || made.type !== "image/png") throw new Error("expected a PNG");
  await put("blob.png", { data: new Uint8Array(await made.arrayBuffer()), width: 0, height: 0 });
  const refused = [];
  for (const [given, options] of [[mask, { strength: 3 }], [{ ...mask, width: 1 }, {}]]) {
    try {
      await phnet.harmonize(composite, given, options);
      refused.push("taken");
    } catch (error) {
      refused.push(error.message);
    }
  }
  if (globalThis.OffscreenCanvas) {
    const canvas = new OffscreenCanvas(composite.width, composite.height);
    const context = canvas.getContext("2d");
    context.putImageData(new ImageData(composite.data, composite.width, composite.height), 0, 0);
    const result = await phnet.harmonize(canvas, mask, LOOK);
    if (!(result instanceof OffscreenCanvas)) throw new Error("expected a canvas");
    await put("canvas", result.getContext("2d").getImageData(0, 0, canvas.width, canvas.height));
  }
  await put("refused", { data: new TextEncoder().encode(JSON.stringify(refused)), width: 0, height: 0 });
}

export function shaped(name, bytes) { // as host_npm.py wrote it
  if (name.endsWith(".png")) return bytes;
  const [width, height] = new Uint32Array(bytes.slice(0, 8).buffer);
  return { data: new Uint8ClampedArray(bytes.slice(8).buffer), width, height };
}
