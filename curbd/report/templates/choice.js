// Draws the currents of the regions that a reader chooses, from the numbers on the page.
"use strict";
const [WIDTH, PANEL_HEIGHT, MARGIN, BELOW, ABOVE] = [720, 96, 46, 20, 20];
const MIN_PANEL = 84;
const LEGEND_LINE = 16;
const DASHES = ["", "5 3", "1.5 2", "6 2 1.5 2"];
const INK = "var(--ink, #1a1a1a)";
const RULE = "var(--rule, #d0d0d0)";

function element(parent, name, attributes, text) {
  const made = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
// Whole numbers from a text of curbd.report.short_numbers.
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
function longNumbers(text) {
  const numbers = [];
  let before = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = DIGITS.indexOf(text[at]);
    if (digit < 0) {
      numbers.push(null);
      continue;
    }
    before = digit === 63 ? 64 * DIGITS.indexOf(text[++at]) + DIGITS.indexOf(text[++at]) : before + digit - 31;
    numbers.push(before);
  }
  return numbers;
}
// Three or four round numbers of a range.
function ticks(low, high) {
  const raw = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw);
  const numbers = [];
  for (let at = Math.ceil(low / step); at * step <= high; at++) numbers.push(at * step);
  return numbers;
}
function drawPanel(svg, data, pathway, box) {
  const label = data.names[pathway.source][0];
  const colour = data.names[pathway.source][1];
  const value = (step) => (step === null ? NaN : pathway.low + pathway.step * step);
  const steps = pathway.steps.map((lines) => lines.map(longNumbers));
  const numbers = steps.flat(2).map(value).filter(Number.isFinite);
  const time = data.time_s;
  let [low, high] = [Math.min(...numbers, 0), Math.max(...numbers, 0)];
  const room = 0.06 * (high - low) || 1;
  [low, high] = [low - room, high + room];
  const { left, right, top, bottom } = box;
  const [first, last] = [time[0], time.at(-1)];
  const x = (t) => (left + ((t - first) / (last - first)) * (right - left)).toFixed(1);
  const y = (v) => (bottom - ((v - low) / (high - low)) * (bottom - top)).toFixed(1);
  const name = `${label} \u2192 ${data.names[pathway.target][0]}`;
  const panel = element(svg, "g", {
    "data-scale": [first, last, low, high, left, right, bottom, top].join(" "),
    "data-abscissa": "time (s)",
    "data-panel": `${name} (${pathway.note})`,
  });
  const own = pathway.source === pathway.target;
  const ground = own ? "var(--pale, #f4f4f4)" : "var(--paper, #ffffff)";
  element(panel, "rect", { x: left, y: top, width: right - left, height: bottom - top, fill: ground });
  element(panel, "text", { x: left, y: top - 6, "font-size": 9, fill: INK }, `${name}  ${pathway.note}`);
  const line = (d, stroke, dash) => element(panel, "path", { d, stroke, "stroke-width": 0.7, "stroke-dasharray": dash });
  line(`M${left} ${y(0)}H${right}`, RULE, "");
  if (first < 0 && last > 0) line(`M${x(0)} ${top}V${bottom}`, "#8a8a8a", "1.5 2");
  line(`M${left} ${top}V${bottom}H${right}`, "#8a8a8a", "").setAttribute("fill", "none");
  const small = { "font-size": 7.5, fill: INK };
  for (const v of ticks(low, high))
    element(panel, "text", { ...small, x: left - 3, y: y(v), dy: 2.5, "text-anchor": "end" }, written(v));
  for (const t of ticks(first, last))
    element(panel, "text", { ...small, x: x(t), y: bottom + 10, "text-anchor": "middle" }, written(t));
  steps.forEach(([mean, ...ends], at) => {
    const condition = data.conditions[at];
    const present = time.map((_, bin) => bin).filter((bin) => mean[bin] !== null);
    const along = (steps, bins) => bins.map((bin) => `${x(time[bin])} ${y(value(steps[bin]))}`).join("L");
    if (!present.length) return;
    if (present.every((bin) => ends[0][bin] !== null)) {
      const area = element(panel, "g", { "data-band": condition });
      const d = `M${along(ends[0], present)}L${along(ends[1], [...present].reverse())}z`;
      element(area, "path", { d, fill: colour, "fill-opacity": 0.2 / Math.sqrt(pathway.steps.length) });
    }
    const curve = element(panel, "g", { "data-curve": condition });
    const look = { stroke: colour, fill: "none", "stroke-width": 1.4, "stroke-dasharray": DASHES[at] };
    element(curve, "path", { d: `M${along(mean, present)}`, ...look });
  });
}
// The dashes of all conditions below the panels, in as many lines as their names need; returns the height.
function drawLegend(svg, conditions, width, top) {
  let [x, y] = [MARGIN, top + LEGEND_LINE];
  conditions.forEach((name, at) => {
    const entry = element(svg, "g", {});
    const look = { stroke: INK, "stroke-width": 1.2, "stroke-dasharray": DASHES[at] };
    element(entry, "path", { d: "M0 -3h24", ...look });
    const text = element(entry, "text", { x: 29, "font-size": 8.5, fill: INK }, name);
    const end = 29 + text.getComputedTextLength();
    if (x > MARGIN && x + end > width) [x, y] = [MARGIN, y + LEGEND_LINE];
    entry.setAttribute("transform", `translate(${x} ${y})`);
    x += end + 16;
  });
  return y - top + 6;
}
function drawChoice(figure, data) {
  const area = figure.querySelector(".plot-area");
  const chosen = [...figure.querySelectorAll("input:checked")].map((box) => box.value);
  const shown = data.pathways.filter(({ source, target }) => chosen.includes(source) && chosen.includes(target));
  const rows = chosen.filter((name) => shown.some(({ target }) => target === name));
  const isShown = (name) => data.pathways.some(({ source }) => source === name);
  const columns = chosen.filter(isShown);
  const width = Math.max(WIDTH, columns.length * (MIN_PANEL + MARGIN));
  const step = width / Math.max(columns.length, 2);
  const bottom = rows.length * (PANEL_HEIGHT + ABOVE + BELOW);
  area.replaceChildren();
  figure.querySelector(".none").hidden = rows.length > 0;
  for (const button of figure.querySelectorAll(".tools button")) button.hidden = !rows.length || "whole" in button.dataset;
  const code = `${data.code}, regions=[${chosen.map((name) => `'${name.replace(/['\\]/g, "\\$&")}'`).join(", ")}])`;
  figure.querySelector("code").textContent = code;
  if (!rows.length) return;
  const svg = element(area, "svg", {
    class: "plot",
    role: "img",
    "aria-label": `Currents of the chosen regions: ${chosen.map((name) => data.names[name][0]).join(", ")}`,
    width: (width * 4) / 3,
    "font-family": "DejaVu Sans, Verdana, Segoe UI, Helvetica, Arial, sans-serif",
  });
  const places = shown.map((pathway) => [rows.indexOf(pathway.target), columns.indexOf(pathway.source), pathway]);
  // The arrow keys go through the panels in the order in which a reader sees them.
  for (const [row, column, pathway] of places.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const top = row * (PANEL_HEIGHT + ABOVE + BELOW) + ABOVE;
    const left = column * step + MARGIN;
    drawPanel(svg, data, pathway, { left, right: (column + 1) * step - 8, top, bottom: top + PANEL_HEIGHT });
  }
  const legend = data.conditions.length > 1 ? drawLegend(svg, data.conditions, width, bottom) : 4;
  svg.setAttribute("viewBox", `0 0 ${width} ${bottom + legend}`);
  makeReadable(svg);
}
for (const figure of document.querySelectorAll("figure.choice")) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  figure.hidden = false;
  figure.addEventListener("change", () => drawChoice(figure, data));
  drawChoice(figure, data);
}
