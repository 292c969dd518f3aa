// Files that come in: read, shown, and the person in them found.

import { files, find, form, masks, mode, MODES, pictures, reading, show } from "./chosen.js";
import { engine } from "./engine.js";
import { Mask } from "./mask.js";
import { read } from "./pictures.js";
import { begin, end, isCurrent, refused, say, stop, underWay } from "./progress.js";
import { stale } from "./result.js";
import { list } from "./series.js";
import { advance, chosenView } from "./stage.js";

export async function take(name, file) {
  const drop = form.elements[name].closest(".drop");
  const thumbnail = drop.querySelector("img");
  const interrupted = underWay() === "search"; // to be begun again
  stop();
  say("");
  for (const each of [files, pictures, reading]) each.delete(name);
  thumbnail.hidden = true;
  drop.classList.toggle("full", Boolean(file));
  if (drop.querySelector(".remove")) drop.querySelector(".remove").hidden = !file;
  stale();
  if (file) {
    files.set(name, file);
    const mine = read(file);
    reading.set(name, mine);
    const picture = await mine;
    if (reading.get(name) !== mine) return; // another file came meanwhile
    reading.delete(name);
    if (picture) {
      pictures.set(name, picture);
      thumbnail.hidden = false;
      show(thumbnail, file);
    } else {
      say(`Your browser cannot show this file as the ${name}. ` + (engine.local
        ? "Choose a PNG, a JPEG or a WebP." : "What the server can read is used all the same."));
    }
  }
  const own = Object.values(MODES).find((each) => Object.values(each).includes(name));
  const asked = own ?? mode(); // the picture with the light is no part of either mode
  if ((name === asked.scene || !own) && !interrupted) advance(asked);
  else await anew(asked);
}

// A new subject, or another mask for it: begin its mask anew.
async function anew(own) {
  const picture = pictures.get(own.subject);
  masks.delete(own.subject);
  if (picture) {
    const mask = new Mask(picture.width, picture.height);
    masks.set(own.subject, mask);
    const given = pictures.get(own.mask);
    if (given && !fits(given, picture)) {
      say(`Sorry: the mask has ${given.width}x${given.height} pixels, which is not the shape of ` +
        `the picture (${picture.width}x${picture.height}).`, true);
    } else if (given) {
      mask.start(given);
    } else if (picture.hasAlpha && own === MODES.compose) {
      mask.start(picture, null); // a cut-out: the engine takes its alpha by itself
    }
  }
  advance(own);
  const mask = masks.get(own.subject);
  const unknown = files.has(own.subject) && !files.has(own.mask) && (!mask || mask.isEmpty);
  if (unknown && engine.matte) await search(own);
}

// A mask may have another size than its picture, but must have its shape.
function fits(mask, picture) {
  return Math.min(
    Math.abs(mask.width - picture.width * mask.height / picture.height),
    Math.abs(mask.height - picture.height * mask.width / picture.width),
  ) <= 1;
}

// Have the engine find the person.
async function search(own) {
  const job = begin("search", "finding");
  try {
    const found = await read(await engine.matte(files.get(own.subject), job.controller.signal));
    if (!isCurrent(job)) return;
    masks.get(own.subject)?.start(found);
    stale();
    advance(own);
    say(`The person was found.${advice(own)}`);
  } catch (error) {
    if (!isCurrent(job) || error.name === "AbortError") return;
    error.message = error.message.replace(/^photo:/, `${own.subject}:`); // as it is named here
    refused(error);
    if (masks.has(own.subject) && error.status === 422) {
      say(`Sorry: ${error.message}. Paint the person in, or choose a mask.`, true);
    }
  } finally {
    end(job);
  }
}

function advice(own) {
  if (!masks.has(own.subject)) return "";
  return chosenView() === "place" && own === mode()
    ? " Drag the person into place; correct the mask, if it is wrong, under Mask."
    : " Correct the mask with the brush where it is wrong.";
}

for (const input of form.querySelectorAll('input[type="file"]')) {
  const drop = input.closest(".drop");
  input.addEventListener("change", () => {
    if (input.multiple) list(input.files);
    take(input.name, input.files[0]);
  });
  drop.querySelector(".remove")?.addEventListener("click", () => {
    input.value = "";
    input.focus();
    take(input.name, undefined);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) {
        put(input, input.multiple ? [...event.dataTransfer.files] : [event.dataTransfer.files[0]]);
      }
    });
  }
}

// As if these files had been chosen, so that their names are shown.
function put(input, given) {
  const made = new DataTransfer();
  for (const file of given) made.items.add(file);
  input.files = made.files;
  input.dispatchEvent(new Event("change"));
}

// A picture from the clipboard is for the area that has the focus, else for the first that is empty.
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (!file) return;
  event.preventDefault();
  const own = mode();
  const focused = document.activeElement?.closest(".drop")?.querySelector("input")?.name;
  const names = [own.subject, own.scene, own.mask].filter(Boolean);
  const name = [...names, "reference"].includes(focused) ? focused
    : names.find((each) => !files.has(each)) ?? own.subject;
  put(form.elements[name], [file]);
  say(`Pasted as the ${name.replace("_", " ")}.`);
});

for (const kind of ["dragover", "drop"]) { // beside an area: do not leave the page for the file
  document.addEventListener(kind, (event) => event.preventDefault());
}
find("find").addEventListener("click", () => search(mode()));
