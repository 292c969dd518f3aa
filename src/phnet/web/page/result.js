// The result beside what it was made from, and its download.

import { files, find, pictures, show } from "./chosen.js";

const ENDINGS = {
  "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/tiff": "tif",
  "image/vnd.adobe.photoshop": "psd", "application/x-cube": "cube",
};
let fits = false; // whether there is one that fits what is shown
let divided = null; // the picture whose slider the visitor has seen
let own = null; // what is shown: { stem, picture }

export const hasResult = () => fits;

// The result no longer belongs to what is shown.
export function stale() {
  fits = false;
  find("live").hidden = true;
  document.querySelector('[name="view"][value="result"]').disabled = true;
  find("view-result").hidden = true;
}

// Show `picture` as what became of `before` (the input `name` unless there is another one). The
// slider starts at `middle`, where the person is, and then stays where the visitor leaves it.
export function present(name, picture, before, middle) {
  show(find("before"), before ?? files.get(name));
  show(find("after"), picture);
  find("live").hidden = true;
  own = { stem: (files.get(name).name ?? "picture").replace(/\.[^.]*$/, ""), picture };
  show(find("download"), picture, "href");
  find("download").download = fileName();
  find("frame").hidden = !pictures.has(name);
  find("unshown").hidden = pictures.has(name);
  if (divided !== files.get(name)) {
    divided = files.get(name);
    find("divide").value = 100 * middle;
    divide();
  }
  fits = true;
}

export const fileName = (picture = own.picture) =>
  `${own.stem}-harmonized.${ENDINGS[picture.type] ?? "png"}`;

// Hand a file to the visitor.
export function save(blob) {
  const link = Object.assign(document.createElement("a"), { download: fileName(blob) });
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// -- at 100%, a pixel of the picture is one of the screen ---------------------------------------

function enlarge() {
  const large = find("large").checked;
  const [frame, compare] = [find("pan"), find("compare")];
  compare.classList.toggle("large", large);
  frame.tabIndex = large ? 0 : -1;
  compare.style.width = large ? `${find("after").naturalWidth / devicePixelRatio}px` : "";
  if (!large) return;
  const at = find("divide").value / 100;
  frame.scrollTo(at * frame.scrollWidth - frame.clientWidth / 2,
    (frame.scrollHeight - frame.clientHeight) / 2);
}

// There, a drag moves the divider where it is taken, and elsewhere the picture.
function drag(event) {
  const compare = find("compare");
  if (!compare.classList.contains("large") || event.button !== 0) return;
  event.preventDefault();
  const frame = find("pan");
  const box = () => compare.getBoundingClientRect();
  const isDivider = Math.abs(event.clientX - box().left - box().width * find("divide").value / 100) < 28;
  let [x, y] = [event.clientX, event.clientY];
  const move = (moved) => {
    if (isDivider) {
      find("divide").value = 100 * (moved.clientX - box().left) / box().width;
      divide();
    } else {
      frame.scrollBy(x - moved.clientX, y - moved.clientY);
    }
    [x, y] = [moved.clientX, moved.clientY];
  };
  compare.setPointerCapture(event.pointerId);
  compare.addEventListener("pointermove", move);
  for (const kind of ["pointerup", "pointercancel"]) {
    compare.addEventListener(kind, () => compare.removeEventListener("pointermove", move), { once: true });
  }
}

find("large").addEventListener("change", enlarge);
find("after").addEventListener("load", enlarge);
find("compare").addEventListener("pointerdown", drag);

function divide() {
  find("compare").style.setProperty("--shown", `${find("divide").value}%`);
}

find("divide").addEventListener("input", divide);
