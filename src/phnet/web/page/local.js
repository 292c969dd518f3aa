// The engine of the static page: everything is computed on the visitor's machine, in a worker, so
// that the page stays alive. What every engine offers is told in remote.js; the server's page does
// not have this file.

export const engine = { local: true, models, matte, harmonize, compose };

const waiting = new Map(); // number of a request -> { request, resolve, reject, onprogress }
let worker = null;
let asked = 0;

async function models() {
  const answer = await fetch(new URL("models.json", import.meta.url));
  if (!answer.ok) throw new Error("the page's list of networks cannot be read");
  return answer.json();
}

function matte(photo, signal) {
  return ask({ work: "matte", photo }, signal);
}

function harmonize(given, signal, onprogress) {
  return ask({ work: "harmonize", ...given }, signal, onprogress);
}

function compose(given, signal, onprogress) {
  return ask({ work: "compose", ...given }, signal, onprogress);
}

function ask(request, signal, onprogress = () => {}) {
  return new Promise((resolve, reject) => {
    const number = ++asked;
    const abort = () => {
      if (!waiting.delete(number)) return;
      restart(); // a running network cannot be asked to stop
      reject(new DOMException("given up", "AbortError"));
    };
    if (signal?.aborted) return reject(new DOMException("given up", "AbortError"));
    signal?.addEventListener("abort", abort, { once: true });
    waiting.set(number, { request, resolve, reject, onprogress });
    worker ??= started();
    worker.postMessage({ number, ...request });
  });
}

function started() {
  const made = new Worker(new URL("local-worker.js", import.meta.url), { type: "module" });
  made.onmessage = ({ data: { number, progress, result, sentence, full } }) => {
    const one = waiting.get(number);
    if (!one) return;
    if (progress) return one.onprogress(progress);
    waiting.delete(number);
    if (sentence) one.reject(new Error(sentence));
    else one.resolve(result);
    if (full) restart(); // WebAssembly gives no memory back
  };
  made.onerror = (event) => {
    event.preventDefault();
    for (const { reject } of waiting.values()) {
      reject(new Error("this browser cannot run the networks (it needs WebAssembly with SIMD)"));
    }
    waiting.clear();
    worker = null;
  };
  return made;
}

function restart() {
  worker?.terminate();
  worker = null;
  if (!waiting.size) return;
  worker = started();
  for (const [number, { request }] of waiting) worker.postMessage({ number, ...request });
}
