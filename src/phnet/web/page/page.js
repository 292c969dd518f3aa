// The page of `phnet serve`: everything it shows comes from this server or from the visitor's disk.

const engineFile = document.querySelector('meta[name="phnet-engine"]').content;
const { engine } = await import(`./${engineFile}`);
const find = (id) => document.getElementById(id);
const form = find("form");
const endings = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/tiff": "tif" };
const addresses = new Map(); // element -> object URL that it shows
let running = null; // AbortController of the request under way

function show(element, blob, attribute = "src") {
  URL.revokeObjectURL(addresses.get(element));
  addresses.set(element, URL.createObjectURL(blob));
  element[attribute] = addresses.get(element);
}

function say(sentence, bad = false) {
  find("status").textContent = sentence;
  find("status").classList.toggle("bad", bad);
}

function filesChanged() {
  for (const name of ["composite", "mask"]) {
    const file = form.elements[name].files[0];
    const preview = find(`drop-${name}`).querySelector("img");
    preview.hidden = !file;
    if (file) show(preview, file);
  }
  find("no-mask").hidden = !form.elements.mask.files.length;
  if (running) running.abort();
  find("result").hidden = true;
  say("");
}

function setUpDrop(name) {
  const area = find(`drop-${name}`);
  area.querySelector("img").addEventListener("error", (event) => { event.target.hidden = true; });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    area.addEventListener(kind, (event) => {
      event.preventDefault();
      area.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) {
        const one = new DataTransfer();
        one.items.add(event.dataTransfer.files[0]);
        form.elements[name].files = one.files;
        filesChanged();
      }
    });
  }
  form.elements[name].addEventListener("change", filesChanged);
}

function refused(error) {
  if (error.status === 401) {
    find("token").hidden = false;
    find("token").querySelector("input").focus();
  }
  say(`Sorry: ${error.message}.`, true);
}

async function harmonize() {
  const composite = form.elements.composite.files[0];
  if (!composite) return;
  if (running) running.abort();
  const mine = new AbortController();
  running = mine;
  find("progress").hidden = false;
  say("Harmonizing…");
  try {
    const { strength, lift, model, mask } = form.elements;
    const { picture, notes } = await engine.harmonize({
      composite, mask: mask.files[0] ?? null,
      strength: Number(strength.value), lift: lift.value, model: model.value,
    }, mine.signal);
    show(find("before"), composite);
    show(find("after"), picture);
    show(find("download"), picture, "href");
    const stem = composite.name.replace(/\.[^.]*$/, "");
    find("download").download = `${stem}-harmonized.${endings[picture.type] || "png"}`;
    find("result").hidden = false;
    say(notes ? `Done. Note: ${notes}.` : "Done.");
  } catch (error) {
    if (error.name !== "AbortError") refused(error);
    else if (running === mine) say("");
  } finally {
    if (running === mine) {
      running = null;
      find("progress").hidden = true;
    }
  }
}

async function listModels() {
  const models = await engine.models();
  const select = form.elements.model;
  select.replaceChildren(...models.map((m) => new Option(m.name, m.name, m.default, m.default)));
  find("models").hidden = models.length < 2;
}

setUpDrop("composite");
setUpDrop("mask");
form.addEventListener("submit", (event) => { event.preventDefault(); harmonize(); });
form.elements.strength.addEventListener("input", (event) => {
  find("strength-shown").textContent = `${Math.round(100 * event.target.value)}%`;
});
for (const name of ["strength", "lift", "model"]) {
  form.elements[name].addEventListener("change", () => { if (!find("result").hidden) harmonize(); });
}
find("token").querySelector("input").addEventListener("change", (event) => {
  engine.token = event.target.value.trim();
  listModels().catch(refused);
});
find("no-mask").addEventListener("click", () => { form.elements.mask.value = ""; filesChanged(); });
find("divide").addEventListener("input", (event) => {
  event.target.parentElement.style.setProperty("--shown", `${event.target.value}%`);
});
find("after").addEventListener("error", () => {
  say("Done. Your browser cannot show this type of picture; download it to see it.");
});
listModels().catch(refused);
