// Saves the figure beside a button as SVG or PNG. Without this script, the page shows everything.
"use strict";
function standalone(svg) {
  const copy = svg.cloneNode(true);
  const height = svg.viewBox.baseVal.height * svg.getAttribute("width") / svg.viewBox.baseVal.width;
  copy.setAttribute("height", height);
  copy.removeAttribute("class");
  // A file has the colours of a light page.
  return new XMLSerializer().serializeToString(copy).replace(/var\(--\w+, (#[0-9a-f]{6})\)/g, "$1");
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
  const kind = event.target.dataset.save;
  if (!kind) return;
  const figure = event.target.closest("figure");
  const name = document.title.split(":")[0] + "_" + figure.id;
  const svg = figure.querySelector("svg.plot");
  if (!svg) offer(figure.querySelector("img").src, name + ".png");
  else if (kind === "png") saveAsPng(svg, name);
  else offer("data:image/svg+xml;charset=utf-8," + encodeURIComponent(standalone(svg)), name + ".svg");
});
