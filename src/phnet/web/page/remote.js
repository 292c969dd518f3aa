// The engine that asks the server of `phnet serve`. What every engine of the page offers:
//
//   local                       whether pictures stay on the visitor's machine
//   models()                    -> [{ name, resolution, default? }]
//   matte(photo, signal)        -> gray PNG of the photo's size, white where the person is
//   harmonize({ composite, mask, strength, lift, model }, signal, onprogress, type)
//   compose({ portrait, background, mask, place, fit, strength, lift, model }, signal, onprogress, type)
//                               -> { picture, notes }; mask, place and fit may be null; type is that
//                                  of the answer, one of PSD and CUBE, where the engine is not local
//
// Pictures are Blobs, notes is a sentence or empty, onprogress gets ({ stage, share }): stage is
// "sending", "loading", "working" or "receiving", share from 0 to 1, or null where it is not known. All
// reject with an Error whose message is one sentence for a person without the full stop, with
// `status` 401 where a token is needed, and with an AbortError once the signal is aborted. An
// engine without compose or matte: the page hides what needs it.

export const engine = { local: false, token: "", models, matte, harmonize, compose };

async function models() {
  const answer = await ask("GET", "v1/models");
  return JSON.parse(await answer.blob.text()).models;
}

async function matte(photo, signal) {
  return (await ask("POST", "v1/matte", { photo }, signal)).blob;
}

async function harmonize(given, signal, onprogress, type) {
  const answer = await ask("POST", "v1/harmonize", given, signal, onprogress, type);
  return { picture: answer.blob, notes: answer.notes };
}

async function compose(given, signal, onprogress, type) {
  const answer = await ask("POST", "v1/compose", given, signal, onprogress, type);
  return { picture: answer.blob, notes: answer.notes };
}

// XMLHttpRequest, since fetch does not tell how much of a request has been sent.
function ask(method, address, fields, signal, onprogress = () => {}, type = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const aborted = () => reject(new DOMException("given up", "AbortError"));
    if (signal?.aborted) return aborted();
    signal?.addEventListener("abort", () => { request.abort(); aborted(); }, { once: true });
    request.open(method, address);
    request.responseType = "blob";
    if (type) request.setRequestHeader("Accept", type);
    if (engine.token) request.setRequestHeader("Authorization", `Bearer ${engine.token}`);
    const share = (event) => (event.lengthComputable ? event.loaded / event.total : null);
    request.upload.onprogress = (event) => onprogress({ stage: "sending", share: share(event) });
    request.upload.onload = () => onprogress({ stage: "working", share: null });
    request.onprogress = (event) => onprogress({ stage: "receiving", share: share(event) });
    request.onerror = () => reject(new Error(
      "the server cannot be reached, or it turned the request away because it is too large"));
    request.onload = async () => {
      if (request.status === 200) {
        resolve({ blob: request.response, notes: request.getResponseHeader("PHNet-Notes") ?? "" });
      } else {
        reject(await refusal(request));
      }
    };
    request.send(fields ? form(fields) : null);
  });
}

function form(fields) {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) made.append(name, value, name); // the file's own name stays here
    else if (value !== null && value !== undefined) made.append(name, value);
  }
  return made;
}

async function refusal(request) {
  let sentence = `the server answered with status ${request.status}`;
  try {
    sentence = JSON.parse(await request.response.text()).detail ?? sentence;
  } catch { /* no problem+json: something between the server and the page answered */ }
  return Object.assign(new Error(sentence), { status: request.status });
}
