// The keyboard for those who have a hundred drafts to go through. Without it every page works by links and forms.
"use strict";

const KEYS = [
  ["j", "the next draft"], ["k", "the one before"], ["Enter", "open (on the list)"], ["a", "approve"],
  ["1 …", "dismiss for one of the reasons named"], ["d", "dismiss: type a reason, then Enter"], ["u", "take a decision back"], ["m", "mute this origin"],
  ["e", "change note, contact or form"], ["l", "open the draft decided on last"], ["h", "back to the list"], ["?", "these keys"],
];

const rows = [...document.querySelectorAll("tr[data-row]")];
let here = -1;

function go(id) {
  const link = document.getElementById(id);
  if (link) location.assign(link.href);
}

function move(step) {
  if (!rows.length) return;
  rows[here]?.classList.remove("here");
  here = Math.min(rows.length - 1, Math.max(0, here + step));
  rows[here].classList.add("here");
  rows[here].querySelector("a").focus({ preventScroll: true });
  rows[here].scrollIntoView({ block: "nearest" });
}

function open(summary, field) {
  const details = document.getElementById(summary)?.parentElement;
  if (!details) return;
  details.open = true;
  const target = document.getElementById(field);
  target.scrollIntoView({ block: "center" });
  target.focus();
}

function press(id) {
  const button = document.getElementById(id);
  if (button) button.form.requestSubmit(button);
}

function help() {
  const dialog = document.createElement("dialog");
  const title = document.createElement("h2");
  title.textContent = "Keys";
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [key, text] of KEYS) {
    const name = document.createElement("dt");
    name.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    list.append(name, Object.assign(document.createElement("dd"), { textContent: text }));
  }
  dialog.append(title, list);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

const ACTS = {
  j: () => (rows.length ? move(1) : go("next")),
  k: () => (rows.length ? move(-1) : go("previous")),
  a: () => press("approve"),
  d: () => document.getElementById("reason")?.focus(),
  u: () => press("reopen"),
  m: () => open("mute", "why"),
  e: () => open("edit", "note"),
  l: () => go("last"),
  h: () => go("up"),
  "?": help,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog")) return;
  const typing = event.target.closest("input, textarea, select");
  if (typing && event.key === "Escape") { typing.blur(); return; }
  const numbered = /^[1-9]$/.test(event.key) && document.getElementById(`reason${event.key}`);
  if (numbered && (!typing || (typing.id === "reason" && !typing.value))) {
    event.preventDefault();
    numbered.form.requestSubmit(numbered);
  } else if (!typing && Object.hasOwn(ACTS, event.key)) {
    event.preventDefault();
    ACTS[event.key]();
  }
});
