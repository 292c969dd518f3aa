// PHNet in the browser. See index.d.ts for what is offered.

import * as ort from "onnxruntime-web/wasm";
import { made } from "./package.js";

export const { configure, harmonize, compose, matte } = made(ort, {
  publicPath: new URL("./models/", import.meta.url).href,
  async read(address) {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address} cannot be loaded (status ${answer.status})`);
    return new Uint8Array(await answer.arrayBuffer());
  },
});
