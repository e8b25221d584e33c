// Tells the values of curves and cells under the pointer or at the keys, and shows a part of a figure larger.
"use strict";
const SVG = "http://www.w3.org/2000/svg";
const STEPS = 60;
const MIN_DRAG = 6;
const written = (number) => Number(number.toPrecision(3)).toString().replace("-", "\u2212");

// The lines of a path that matplotlib or this page drew: M, L and l, from point to point.
function pointsOf(path) {
  const points = [];
  let [command, x, y] = ["M", 0, 0];
  const words = path.getAttribute("d").match(/[MLlzZ]|-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?/g) || [];
  for (let at = 0; at < words.length; ) {
    if (/[a-z]/i.test(words[at]) && words[at].length === 1) {
      command = words[at++];
      continue;
    }
    const [dx, dy] = [parseFloat(words[at++]), parseFloat(words[at++])];
    [x, y] = command === "l" ? [x + dx, y + dy] : [dx, dy];
    points.push([x, y, command === "M"]);
    if (command === "M") command = "L";
  }
  return points;
}
// Ordinates at which the path of a group crosses an abscissa.
function crossings(group, x) {
  const path = group.querySelector("path");
  const crossed = [];
  // matplotlib draws an area where an element `use` puts its path.
  const lower = parseFloat(group.querySelector("use")?.getAttribute("y") || 0);
  const points = path ? pointsOf(path).map(([px, py, starts]) => [px, py + lower, starts]) : [];
  for (let at = 1; at < points.length; at++) {
    const [[x0, y0], [x1, y1, starts]] = [points[at - 1], points[at]];
    if (starts || x < Math.min(x0, x1) || x > Math.max(x0, x1)) continue;
    crossed.push(x0 === x1 ? y0 : y0 + ((y1 - y0) * (x - x0)) / (x1 - x0));
  }
  return crossed;
}
function scaleOf(panel) {
  const [x0, x1, y0, y1, left, right, bottom, top] = panel.dataset.scale.split(" ").map(Number);
  return {
    left, right, bottom, top,
    x: (place) => x0 + ((place - left) / (right - left)) * (x1 - x0),
    y: (place) => y0 + ((place - bottom) / (top - bottom)) * (y1 - y0),
    place: (x) => left + ((x - x0) / (x1 - x0)) * (right - left),
  };
}
function valuesAt(panel, place) {
  const scale = scaleOf(panel);
  const lines = [];
  for (const curve of panel.querySelectorAll("[data-curve]")) {
    const at = crossings(curve, place);
    if (!at.length) continue;
    const name = curve.dataset.curve;
    const band = [...panel.querySelectorAll("[data-band]")].find((area) => area.dataset.band === name);
    const ends = band ? crossings(band, place).map(scale.y) : [];
    const interval = ends.length ? ` [${written(Math.min(...ends))}, ${written(Math.max(...ends))}]` : "";
    lines.push(`${name}: ${written(scale.y(at[0]))}${interval}`);
  }
  if (!lines.length) return "";
  const where = `${panel.dataset.abscissa || "x"}: ${written(scale.x(place))}`;
  return [panel.dataset.panel, where, ...lines].filter(Boolean).join("\n");
}

const readout = document.createElement("div");
readout.className = "readout";
readout.hidden = true;
document.body.append(readout);
const spoken = document.createElement("div");
spoken.className = "unseen";
spoken.setAttribute("role", "status");
document.body.append(spoken);

function tell(text, x, y) {
  readout.hidden = !text;
  readout.textContent = text;
  const { width, height } = readout.getBoundingClientRect();
  readout.style.left = `${Math.max(0, Math.min(x + 14, innerWidth - width - 8))}px`;
  readout.style.top = `${y + 18 + height < innerHeight ? y + 18 : Math.max(0, y - height - 12)}px`;
}
// A line at the same abscissa in all panels that show it.
function mark(svg, panel, place) {
  svg.querySelectorAll(".at").forEach((line) => line.remove());
  if (!panel) return;
  const abscissa = scaleOf(panel).x(place);
  for (const shown of svg.querySelectorAll("[data-panel]")) {
    if (shown.dataset.abscissa !== panel.dataset.abscissa) continue;
    const { left, right, top, bottom, place: placeOf } = scaleOf(shown);
    const x = placeOf(abscissa);
    if (x < left || x > right) continue;
    const line = document.createElementNS(SVG, "path");
    line.setAttribute("class", "at");
    line.setAttribute("d", `M${x} ${top}L${x} ${bottom}`);
    svg.append(line);
  }
}
const inFigure = (svg, event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
const panelAt = (svg, { x, y }) =>
  [...svg.querySelectorAll("[data-panel]")].find((panel) => {
    const { left, right, top, bottom } = scaleOf(panel);
    return x >= left && x <= right && y >= top && y <= bottom;
  });

const wholeOf = (svg) => (svg.dataset.view ??= svg.getAttribute("viewBox"));
function show(svg, [x, y, width, height]) {
  const [x0, y0, w, h] = wholeOf(svg).split(" ").map(Number);
  // The part keeps the proportions of the figure, and lies inside of it.
  const zoom = Math.min(1, Math.max(width / w, height / h, 0.05));
  const left = Math.max(x0, Math.min(x + width / 2 - (zoom * w) / 2, x0 + w * (1 - zoom)));
  const top = Math.max(y0, Math.min(y + height / 2 - (zoom * h) / 2, y0 + h * (1 - zoom)));
  svg.setAttribute("viewBox", `${left} ${top} ${zoom * w} ${zoom * h}`);
  const button = svg.closest("figure").querySelector("[data-whole]");
  if (button) button.hidden = zoom === 1;
}
const showWhole = (svg) => show(svg, wholeOf(svg).split(" ").map(Number));
function zoomBy(svg, factor, centre) {
  const [x, y, width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const [cx, cy] = centre || [x + width / 2, y + height / 2];
  show(svg, [cx - (width * factor) / 2, cy - (height * factor) / 2, width * factor, height * factor]);
}
function whereDragged(from, to) {
  return [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(from.x - to.x), Math.abs(from.y - to.y)];
}

// Stations of the arrow keys: cells and arrows one by one, panels step by step.
const stationsOf = (svg) => [...svg.querySelectorAll("[data-panel], [data-text]")];
function centreOf(svg, station) {
  const box = station.getBBox();
  return [box.x + box.width / 2, box.y + box.height / 2];
}
function tellStation(svg, at) {
  const station = stationsOf(svg)[at.station];
  let [text, place] = [station.dataset.text, centreOf(svg, station)];
  mark(svg, null);
  if (!text) {
    const { left, right, top, bottom } = scaleOf(station);
    place = [left + (at.step / STEPS) * (right - left), (top + bottom) / 2];
    text = valuesAt(station, place[0]) || `${station.dataset.panel}: no value`;
    mark(svg, station, place[0]);
  }
  const screen = new DOMPoint(...place).matrixTransform(svg.getScreenCTM());
  tell(text, screen.x, screen.y);
  spoken.textContent = text.replaceAll("\n", ", ");
  return place;
}

function makeReadable(svg) {
  // The text appears at once and can be reached by keys, which titles of elements cannot.
  for (const title of svg.querySelectorAll("title")) {
    title.parentElement.dataset.text = title.textContent;
    title.remove();
  }
  const stations = stationsOf(svg).length;
  const area = svg.closest(".plot-area");
  if (!area) return;
  let [from, frame, place] = [null, null, null];
  const at = { station: 0, step: STEPS / 2 };
  const leave = () => {
    tell("", 0, 0);
    mark(svg, null);
  };
  svg.addEventListener("pointermove", (event) => {
    const here = inFigure(svg, event);
    if (from) {
      const [x, y, width, height] = whereDragged(from, here);
      frame.setAttribute("d", `M${x} ${y}h${width}v${height}h${-width}z`);
    }
    const named = event.target.closest?.("[data-text]");
    const panel = named ? null : panelAt(svg, here);
    tell(named ? named.dataset.text : panel ? valuesAt(panel, here.x) : "", event.clientX, event.clientY);
    mark(svg, panel, here.x);
  });
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button) return;
    from = inFigure(svg, event);
    frame = document.createElementNS(SVG, "path");
    frame.setAttribute("class", "at");
    svg.append(frame);
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
    area.focus({ preventScroll: true });
  });
  svg.addEventListener("pointerup", (event) => {
    if (!from) return;
    const part = whereDragged(from, inFigure(svg, event));
    const scale = svg.getScreenCTM().a;
    frame.remove();
    from = null;
    if (Math.max(part[2], part[3]) * scale > MIN_DRAG) show(svg, part);
  });
  svg.addEventListener("dblclick", () => showWhole(svg));
  area.tabIndex = 0;
  area.setAttribute("role", "group");
  area.setAttribute("aria-label", "Figure. " + (stations ? "Arrow keys tell its values; " : "") + "plus and minus zoom.");
  area.addEventListener("blur", leave);
  area.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+") zoomBy(svg, 0.5, place);
    else if (event.key === "-") zoomBy(svg, 2, place);
    else if (event.key === "Escape" || event.key === "0") showWhole(svg);
    else if (moves && stations) {
      const inPanel = !stationsOf(svg)[at.station].dataset.text;
      const next = at.step + 2 * moves[0];
      if (inPanel && moves[0] && next >= 0 && next <= STEPS) at.step = next;
      else at.station = (at.station + moves[0] + moves[1] + stations) % stations;
      place = tellStation(svg, at);
    } else return;
    event.preventDefault();
  });
}
document.querySelectorAll(".plot-area > svg.plot").forEach(makeReadable);
document.addEventListener("click", (event) => {
  if ("whole" in event.target.dataset) showWhole(event.target.closest("figure").querySelector("svg.plot"));
});
