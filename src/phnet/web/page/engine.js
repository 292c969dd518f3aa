// The engine does the work (see remote.js for what it offers); which one, index.html says.

export const { engine } = await import(
  `./${document.querySelector('meta[name="phnet-engine"]').content}`);
