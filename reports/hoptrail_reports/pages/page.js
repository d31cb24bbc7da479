"use strict";
// Comforts, no more: our own hosts are in view where the map scrolls, the lines of the box under the pointer stand out,
// and tables can be filtered.
// The listeners sit on the frame: Chromium would make a stop for the tabulator key of an SVG that listens for focus.
for (const frame of document.querySelectorAll(".scroll")) {
  const map = frame.querySelector(".map");
  const lines = [...map.querySelectorAll(".line")];
  frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
  const pick = (box) => {
    map.classList.toggle("picked", box !== null);
    for (const line of lines) line.classList.toggle("lit", box !== null && line.dataset.ends.split(" ").includes(box.id));
  };
  for (const [on, off] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    frame.addEventListener(on, (event) => pick(event.target.closest(".box")));
    frame.addEventListener(off, () => pick(null));
  }
}
// Where the review page serves the report, its drafts are one click away.
if (/^\/nights\//.test(location.pathname)) for (const draft of document.querySelectorAll("[data-draft]")) {
  const link = document.createElement("a");
  link.href = `/draft/${draft.dataset.draft}`;
  draft.replaceWith(link);
  link.append(draft);
}
for (const frame of document.querySelectorAll(".pane")) frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
for (const frame of document.querySelectorAll(".chart-frame:has(.today)")) frame.scrollLeft = frame.scrollWidth;
for (const frame of document.querySelectorAll(".table, .pane, .chart-frame")) if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
for (const field of document.querySelectorAll("input[type=search]")) {
  const rows = [...document.getElementById(field.dataset.table).tBodies[0].rows];
  field.hidden = false;
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}
