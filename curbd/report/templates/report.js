// Saves and enlarges figures, and sorts and filters tables. Without scripts, the page shows everything but choices.
"use strict";
function standalone(svg) {
  const copy = svg.cloneNode(true);
  const height = svg.viewBox.baseVal.height * svg.getAttribute("width") / svg.viewBox.baseVal.width;
  copy.setAttribute("height", height);
  copy.setAttribute("xmlns", SVG);
  copy.removeAttribute("class");
  // The whole figure without the marks of the pointer, and with its texts where other programs look for them.
  if (svg.dataset.view) copy.setAttribute("viewBox", svg.dataset.view);
  copy.querySelectorAll(".at").forEach((mark) => mark.remove());
  for (const named of copy.querySelectorAll("[data-text]")) {
    const title = document.createElementNS(SVG, "title");
    title.textContent = named.dataset.text;
    named.prepend(title);
  }
  // A file has the colours of a light page.
  return new XMLSerializer().serializeToString(copy).replace(/var\(--[\w-]+, (#[0-9a-f]{6})\)/g, "$1");
}
function offer(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
function saveAsPng(svg, name) {
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = 3 * image.width;
    canvas.height = 3 * image.height;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    offer(canvas.toDataURL("image/png"), name + ".png");
  };
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(standalone(svg));
}
document.addEventListener("click", (event) => {
  const figure = event.target.closest("figure");
  if ("enlarge" in event.target.dataset) {
    const enlarged = figure.classList.toggle("enlarged");
    event.target.setAttribute("aria-pressed", enlarged);
  }
  const kind = event.target.dataset.save;
  if (!kind) return;
  const name = figure.id;
  const svg = figure.querySelector("svg.plot");
  if (!svg) offer(figure.querySelector("img").src, name + ".png");
  else if (kind === "png") saveAsPng(svg, name);
  else offer("data:image/svg+xml;charset=utf-8," + encodeURIComponent(standalone(svg)), name + ".svg");
});
const rowsOf = (table) => [...table.tBodies[0].rows];
function sortBy(heading, column) {
  const table = heading.closest("table");
  const descending = heading.getAttribute("aria-sort") === "ascending";
  // Numbers have a minus sign that is not a hyphen; empty cells come last in both directions.
  const text = (row) => row.cells[column].textContent.trim().replace("\u2212", "-");
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const sorted = rowsOf(table).sort((first, second) => {
    const [a, b] = [text(first), text(second)];
    if (!a || !b) return !a - !b;
    const [x, y] = [parseFloat(a), parseFloat(b)];
    const order = isNaN(x) || isNaN(y) ? compare(a, b) : x - y;
    return descending ? -order : order;
  });
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  table.tBodies[0].append(...sorted);
}
function offerFilter(table) {
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = "Show rows with these words";
  field.setAttribute("aria-label", "Show rows of the table with these words");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of rowsOf(table)) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.parentElement.before(field);
}
for (const table of document.querySelectorAll("table")) {
  const number = rowsOf(table).length;
  if (number > 1) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      heading.tabIndex = 0;
      heading.classList.add("sortable");
      heading.addEventListener("click", (event) => event.target.closest("a") || sortBy(heading, column));
      heading.addEventListener("keydown", (event) => event.key === "Enter" && sortBy(heading, column));
    });
  }
  if (number > 8) offerFilter(table);
}
