"use strict";
// Keeps the page as the server's is: where the ledger has moved, or a round is under way, the page is fetched again and
// what differs is put in its place. Focus and what was scrolled stay. The server escapes what others wrote; no script runs.
const PERIOD_MS = 2000;
const ENDED = new Set(["Final", "Void"]);
const FOCUSABLE = "a, button, input, [tabindex]";
const status = document.getElementById("live-status");
let shown = document.documentElement.dataset.version;

function stateOf(part) {
  return {
    focus: [...part.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement),
    own: part === document.activeElement,
    scrolls: [part, ...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft),
  };
}

function replace(old, made) {
  const state = stateOf(old);
  const part = document.importNode(made, true);
  old.replaceWith(part);
  [part, ...part.querySelectorAll(".scroll")].forEach((box, place) => { box.scrollLeft = state.scrolls[place] || 0; });
  const focused = state.own ? part : part.querySelectorAll(FOCUSABLE)[state.focus];
  if (focused) focused.focus({ preventScroll: true });
}

function update(main, made) {
  const [old, now] = [[...main.children], [...made.children]];
  now.forEach((part, place) => {
    if (place >= old.length) main.append(document.importNode(part, true));
    else if (old[place].outerHTML !== part.outerHTML) replace(old[place], part);
  });
  old.slice(now.length).forEach((part) => part.remove());
}

async function refresh() {
  const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return;
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  update(document.getElementById("main"), made.getElementById("main"));
  document.documentElement.dataset.version = made.documentElement.dataset.version;
}

async function poll() {
  try {
    const answer = await fetch("/live.json", { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    const live = await answer.json();
    for (const place of document.querySelectorAll('header [data-live="verdict"]')) {
      if (place.textContent !== live.verdict) place.textContent = live.verdict;
    }
    const line = live.problem ? `The peer cannot be read: ${live.problem}` : `Up to date with block ${live.height - 1}`;
    if (status.textContent !== line) status.textContent = line;
    if (shown !== live.version || live.rounds.some((round) => !ENDED.has(round.phase))) await refresh();
    shown = live.version;
  } catch {
    status.textContent = "The dashboard does not answer; trying again.";
  } finally {
    setTimeout(poll, PERIOD_MS);
  }
}

if (status) setTimeout(poll, PERIOD_MS);
