// What the visitor has chosen so far.

export const find = (id) => document.getElementById(id);
export const form = find("form");

// What each mode asks for. A subject is the picture that the mask belongs to.
export const MODES = {
  harmonize: { subject: "composite", mask: "mask", scene: null },
  compose: { subject: "portrait", mask: "portrait_mask", scene: "background" },
};
export const mode = () => MODES[form.elements.mode.value];

export const files = new Map(); // name of an input -> Blob
export const reading = new Map(); // name of an input -> promise of its picture, until it is there
export const pictures = new Map(); // name of an input -> Picture; none where it cannot be shown
export const masks = new Map(); // name of a subject -> Mask

const addresses = new Map(); // element -> object URL that it shows

export function show(element, blob, attribute = "src") {
  URL.revokeObjectURL(addresses.get(element));
  addresses.set(element, URL.createObjectURL(blob));
  element[attribute] = addresses.get(element);
}
