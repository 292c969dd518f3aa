// The one job that may be under way, and what is said of it.

import { find } from "./chosen.js";

const WORDS = {
  finding: "Finding the person", loading: "Loading the networks", sending: "Sending",
  working: "Harmonizing", receiving: "Receiving",
};
let current = null; // { kind, controller }

export function say(sentence, bad = false) {
  find("status").textContent = sentence;
  find("status").classList.toggle("bad", bad);
}

export function refused(error) {
  if (error.status === 401) {
    find("token").hidden = false;
    find("token").querySelector("input").focus();
  }
  say(`Sorry: ${error.message}.`, true);
}

// The kind of job that is under way, or undefined.
export const underWay = () => current?.kind;
export const isCurrent = (job) => current === job;

// Begin a job in the place of whatever is under way.
export function begin(kind, stage) {
  stop();
  current = { kind, controller: new AbortController() };
  find("cancel").hidden = false;
  tell(current, { stage, share: null });
  return current;
}

// How far a job is; one that was given up tells nothing.
export function tell(job, { stage, share }) {
  if (current !== job) return;
  const bar = find("progress");
  bar.hidden = false;
  if (share === null || stage === "working") bar.removeAttribute("value");
  else bar.value = share;
  const text = `${WORDS[stage]}…`;
  if (find("status").textContent !== text) say(text);
}

export function end(job) {
  if (current !== job) return;
  current = null;
  find("progress").hidden = true;
  find("cancel").hidden = true;
}

// Give up whatever is under way.
export function stop() {
  current?.controller.abort();
  end(current);
}
