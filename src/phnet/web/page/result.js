// The result beside what it was made from, and its download.

import { files, find, pictures, show } from "./chosen.js";

const ENDINGS = {
  "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/tiff": "tif",
};
let fits = false; // whether there is one that fits what is shown
let divided = null; // the picture whose slider the visitor has seen

export const hasResult = () => fits;

// The result no longer belongs to what is shown.
export function stale() {
  fits = false;
  document.querySelector('[name="view"][value="result"]').disabled = true;
  find("view-result").hidden = true;
}

// Show `picture` as what became of `before` (the input `name` unless there is another one). The
// slider starts at `middle`, where the person is, and then stays where the visitor leaves it.
export function present(name, picture, before, middle) {
  show(find("before"), before ?? files.get(name));
  show(find("after"), picture);
  show(find("download"), picture, "href");
  const stem = (files.get(name).name ?? "picture").replace(/\.[^.]*$/, "");
  find("download").download = `${stem}-harmonized.${ENDINGS[picture.type] ?? "png"}`;
  find("frame").hidden = !pictures.has(name);
  find("unshown").hidden = pictures.has(name);
  if (divided !== files.get(name)) {
    divided = files.get(name);
    find("divide").value = 100 * middle;
    divide();
  }
  fits = true;
}

function divide() {
  find("compare").style.setProperty("--shown", `${find("divide").value}%`);
}

find("divide").addEventListener("input", divide);
