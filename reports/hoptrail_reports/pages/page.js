"use strict";
// Comforts, no more: our own hosts are in view where the map scrolls, the lines of the box under the pointer stand out,
// and tables can be filtered.
for (const frame of document.querySelectorAll(".scroll")) frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
for (const map of document.querySelectorAll(".map")) {
  const lines = [...map.querySelectorAll(".line")];
  const pick = (box) => {
    map.classList.toggle("picked", box !== null);
    for (const line of lines) line.classList.toggle("lit", box !== null && line.dataset.ends.split(" ").includes(box.id));
  };
  for (const [on, off] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    map.addEventListener(on, (event) => pick(event.target.closest(".box")));
    map.addEventListener(off, () => pick(null));
  }
}
for (const field of document.querySelectorAll("input[type=search]")) {
  const rows = [...document.getElementById(field.dataset.table).tBodies[0].rows];
  field.hidden = false;
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}
