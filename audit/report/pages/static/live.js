"use strict";
// Keeps the page's rounds and verdict as the server's state is. Everything is put in as text, never as markup.
const PERIOD_MS = 2000;
const status = document.getElementById("live-status");
const body = document.getElementById("live-rounds");
let shown = document.documentElement.dataset.version;

function cell(row, text, heading) {
  const made = document.createElement(heading ? "th" : "td");
  if (heading) made.scope = "row";
  made.textContent = text;
  row.append(made);
  return made;
}

function fill(rounds) {
  body.replaceChildren(...rounds.map((round) => {
    const row = document.createElement("tr");
    const link = document.createElement("a");
    link.href = round.href;
    link.textContent = round.name;
    cell(row, "", true).append(link);
    const tag = document.createElement("span");
    tag.className = "tag " + round.mark;
    tag.textContent = round.phase;
    cell(row, "").append(tag);
    cell(row, round.present);
    cell(row, round.remaining);
    return row;
  }));
}

async function poll() {
  try {
    const answer = await fetch("/live.json", { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    const live = await answer.json();
    for (const name of ["height", "verdict", "trainings", "flags"]) {
      for (const place of document.querySelectorAll(`[data-live="${name}"]`)) {
        if (place.textContent !== String(live[name])) place.textContent = live[name];
      }
    }
    if (body) fill(live.rounds);
    const line = live.problem ? `The peer cannot be read: ${live.problem}` : `Up to date with block ${live.height - 1}`;
    if (status.textContent !== line) status.textContent = line;
    if (shown !== live.version && document.documentElement.dataset.reload) location.reload();
    shown = live.version;
  } catch {
    status.textContent = "The dashboard does not answer; trying again.";
  }
}

if (status) setInterval(poll, PERIOD_MS);
