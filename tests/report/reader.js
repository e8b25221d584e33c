// Does in the page of a model what a reader does, and leaves what the page tells in place of the page.
const told = {};
const figure = document.querySelector("figure[id$=-currents]");
const svg = figure.querySelector("svg.plot");
function point(type, [x, y]) {
  const at = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
  const about = { clientX: at.x, clientY: at.y, pointerType: "mouse", pointerId: 1, button: 0, bubbles: true };
  svg.dispatchEvent(new PointerEvent(type, about));
}
// A pointer that a script invents cannot be captured.
svg.setPointerCapture = () => {};
told.values = [...svg.querySelectorAll("[data-panel]")].map((panel) => {
  const { place, top } = scaleOf(panel);
  point("pointermove", [place(TIME), top + 1]);
  return document.querySelector(".readout").textContent;
});
const whole = svg.getAttribute("viewBox");
point("pointerdown", [20, 20]);
point("pointerup", [160, 90]);
told.zoomed = svg.viewBox.baseVal.width < 200 && svg.viewBox.baseVal.width >= 140;
told.saved = /viewBox="([^"]*)"/.exec(standalone(svg))[1] === whole;
svg.dispatchEvent(new MouseEvent("dblclick"));
told.unzoomed = svg.getAttribute("viewBox") === whole.split(" ").map(Number).join(" ");
figure.querySelector(".plot-area").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
told.spoken = document.querySelector("[role=status]").textContent;
told.cells = [...document.querySelectorAll("figure[id$=-verdicts] [data-text]")].map((cell) => cell.dataset.text);
const choice = document.querySelector("figure.choice");
choice.querySelectorAll("input").forEach((box) => (box.checked = CHOSEN.includes(box.value)));
choice.dispatchEvent(new Event("change"));
told.chosen = [...choice.querySelectorAll("[data-panel]")].map((panel) => valuesAt(panel, scaleOf(panel).place(TIME)));
const long = JSON.parse(choice.querySelector("script").textContent);
long.conditions = long.conditions.map((name) => `response_choice=${name}, feedback_type=unrewarded, contrast_left=0.25, block=1`);
told.code = choice.querySelector("code").textContent;
drawChoice(choice, long);
const edge = choice.querySelector("svg").getBoundingClientRect();
told.legend = [...choice.querySelectorAll("svg text")].filter((text) => text.textContent.includes("response_choice"));
told.legend = told.legend.map((text) => text.getBoundingClientRect());
told.legend = told.legend.map(({ right, bottom }) => right <= edge.right && bottom <= edge.bottom);
document.body.replaceChildren(Object.assign(document.createElement("pre"), { textContent: JSON.stringify(told) }));
