// The workbench of the lesson. Nothing of the network is computed here: every array was computed by one of the two
// implementations and is shipped in the page. This script chooses what to show, draws it, and says what it was made
// from.
//
// An element is (key, t, i, j): a quantity, its step (or "" where it has none), and its place with the axes as the
// rows have them. In columns every matrix is drawn on its side, so an element and its partner have the same name.
"use strict";

const shipped = JSON.parse(document.getElementById("data").textContent);
const state = { fault: "", on: "different", at: 0 };
const answered = new Set([" different"]);
const OTHER = { rows: "columns", columns: "rows" };
const MINUS = "\u2212";

const $ = (id) => document.getElementById(id);

/** An element of the page: its tag (with classes behind dots), attributes, children (text or elements). */
function make(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Numbers as they are read.

function shown(value, whole = false) {
  if (whole) return String(value).replace("-", MINUS);
  const small = value !== 0 && Math.abs(value) < 0.005;
  const text = small ? value.toExponential(0) : value.toFixed(2);
  return text.replaceAll("-", MINUS);
}

function percent(share) {
  if (share === null || share === undefined) return "\u2013";
  if (share === 0) return "0";
  return `${share >= 0.0995 ? (100 * share).toFixed(0) : Number((100 * share).toPrecision(1))}\u202f%`;
}

// What was computed.

const data = () => shipped.data[state.on];
const steps = () => data().sizes.time;
const run = (side, fault = state.fault) => shipped.runs[state.on][fault][side];
const shape = (key) => shipped.axes[key].map((axis) => data().sizes[axis]);
const hasSteps = (key) => key in run("rows", "").steps;
const name = (side, key) => shipped.names[key][side === "rows" ? 0 : 1];

/** A flat array; null where it was not computed. */
function values(side, key, t, fault = state.fault) {
  if (key in data().given) return data().given[key];
  const one = run(side, fault);
  const found = hasSteps(key) ? one.steps[key][t] : one.gradients[key];
  // A zero says: the same as in the rows without the mistake.
  return found === 0 ? values("rows", key, t, "") : found;
}

/** The error of an array, as a share of the largest element of what is right. */
function share(side, key, t) {
  const errors = run(side).errors;
  if (!errors.arrays) return 0;
  return hasSteps(key) ? (errors.steps[key] ?? [])[t] ?? 0 : errors.arrays[key] ?? 0;
}

function equation(side, key) {
  const fault = shipped.faults[state.fault];
  if (fault && fault.key === key && fault.changes[side]) return fault.changes[side];
  return shipped.equations[side].find((one) => one.key === key);
}

/** The quantity that an operand is at a step: the state before the first one is h0, and behind the last is nothing. */
function at(operand, t) {
  const last = steps() - 1;
  if (operand.step === "[t-1]") return t > 0 ? { key: operand.key, t: t - 1 } : { key: "h0", t: "" };
  if (operand.step === "[(t-1)%T]") return { key: operand.key, t: t > 0 ? t - 1 : last };
  if (operand.step === "[t+1]") return t < last ? { key: operand.key, t: t + 1 } : null;
  return { key: operand.key, t: hasSteps(operand.key) ? t : "" };
}

const flipped = (side, operand) => (side === "columns") !== operand.turned;

// What an element was made from.

/** The terms of an element, each a list of factors (key, t, i, j, value), with the step they are of. */
function madeFrom(side, element) {
  const one = equation(side, element.key);
  if (!one) return [];
  const turns = one.over === "time" ? [...Array(steps()).keys()] : one.over === "first" ? [0] : [element.t];
  return turns.flatMap((t) => one.terms.flatMap((term) => termsOf(side, one, term, element, t)));
}

function termsOf(side, one, term, element, t) {
  const factor = (operand, row, column) => {
    const found = at(operand, t);
    if (!found) return null;
    const turned = flipped(side, operand);
    const [rows, columns] = shape(found.key);
    // A bias is the same for every example.
    const i = Math.min(turned ? column : row, rows - 1), j = Math.min(turned ? row : column, columns - 1);
    const all = values(side, found.key, found.t);
    return all && { ...found, i, j, value: all[i * columns + j] };
  };
  const [row, column] = side === "columns" ? [element.j, element.i] : [element.i, element.j];
  const place = (factors) => ({ t, minus: term.minus, factors });
  const [left, right] = term.operands;
  if (right && !one.elementwise) {
    const [rows, columns] = shape(left.key);
    const inner = flipped(side, left) ? rows : columns;
    const terms = [...Array(inner).keys()].map((k) => place([factor(left, row, k), factor(right, k, column)]));
    return terms.filter((made) => made.factors.every(Boolean));
  }
  // The gradient of a bias sums over the batch; softmax divides by the sum over all scores of the example.
  const [rows, columns] = shape(left.key);
  const batch = one.over === "time" ? rows : 0, scores = one.function === "softmax" ? columns : 0;
  const places = batch ? [...Array(batch).keys()].map((i) => [i, element.j])
    : scores ? [...Array(scores).keys()].map((j) => [element.i, j]) : [[element.i, element.j]];
  const terms = places.map(([i, j]) => {
    const [r, c] = side === "columns" ? [j, i] : [i, j];
    return place(term.operands.map((operand) => factor(operand, r, c)));
  });
  return terms.filter((made) => made.factors.every(Boolean));
}

/** The sum that an element is, in numbers. */
function sum(side, element) {
  const one = equation(side, element.key), terms = madeFrom(side, element);
  const number = (value) => (value < 0 ? `(${shown(value)})` : shown(value));
  const text = (term) => term.factors.map((f) => number(f.value)).join(" \u00b7 ");
  if (one.function === "softmax") {
    return `exp(${shown(terms[element.j].factors[0].value)}) / (${terms.map((m) => `exp(${text(m)})`).join(" + ")})`;
  }
  if (one.function === "1 - □²") return `1 ${MINUS} ${text(terms[0])}\u00b2`;
  if (one.function === "1 - tanh²") return `1 ${MINUS} tanh(${shown(terms[0].factors[0].value)})\u00b2`;
  if (one.over === "time" && terms.length > 4) {
    const totals = new Map();
    for (const term of terms) {
      const product = term.factors.reduce((all, f) => all * f.value, 1);
      totals.set(term.t, (totals.get(term.t) ?? 0) + product);
    }
    return [...totals].map(([t, total]) => `${number(total)} (t = ${t})`).join(" + ");
  }
  const joined = terms.map((m, k) => (m.minus ? ` ${MINUS} ` : k ? " + " : "") + text(m)).join("") || "0";
  return one.function ? `${one.function}(${joined})` : joined;
}

// Matrices.

const cells = new Map(); // by the name of an element, the table cells that show it

const id = (element) => `${element.key}.${element.t}.${element.i}.${element.j}`;

function track(cell, side, element) {
  cell.element = element;
  cell.side = side;
  cell.tabIndex = -1;
  const key = id(element);
  if (!cells.has(key)) cells.set(key, []);
  cells.get(key).push(cell);
}

/** A matrix as a convention draws it, or a note in its place where it was not computed. */
function matrix(side, operand, t) {
  const found = at(operand, t);
  const turned = flipped(side, operand);
  const label = labelOf(side, operand, t);
  const [one, other] = operand.axes;
  const caption = make("figcaption", {}, make("b", {}, label));
  const figure = make("figure.matrix", {}, caption);
  const key = found ? found.key : operand.key;
  const all = found ? values(side, key, found.t) : Array(shape(key)[0] * shape(key)[1]).fill(0);
  if (!all) {
    caption.append(make("small", {}, "not computed"));
    return figure;
  }
  const wrong = found && share(side, key, found.t) > 0;
  const right = wrong ? values("rows", key, found.t, "") : all;
  const largest = Math.max(...right.map(Math.abs)) || 1;
  const [rows, columns] = shape(key);
  const table = make("table", { "aria-label": `${label}: ${one} by ${other}` });
  const whole = all.every(Number.isInteger);
  for (let r = 0; r < (turned ? columns : rows); r++) {
    const line = table.insertRow();
    for (let c = 0; c < (turned ? rows : columns); c++) {
      const [i, j] = turned ? [c, r] : [r, c];
      const cell = line.insertCell(), value = all[i * columns + j];
      cell.textContent = shown(value, whole);
      const off = Math.abs(value - right[i * columns + j]) / largest;
      if (wrong && off > 1e-5) {
        cell.className = "off";
        cell.style.setProperty("--heat", Math.min(1, Math.sqrt(off)).toFixed(2));
      }
      if (found) track(cell, side, { key, t: found.t, i, j });
    }
  }
  const named = [[other, "columns"], [one, "rows"]].filter(([axis]) => axis !== "1");
  figure.append(...named.map(([axis, where]) => axisName(axis, where)), table);
  return figure;
}

const COLOURED = new Set(["batch", "time", "input", "hidden", "prev", "output", "person", "feature", "score"]);

function axisName(axis, where) {
  const colour = COLOURED.has(axis) ? axis : "plain";
  return make(`span.${where ? `${where}.` : ""}axis.${colour}`, where ? { "aria-hidden": "true" } : {}, axis);
}

/** What an operand is called at a step: `h[t-1].T` is h[2].T when t is 3, and h0.T when t is 0. */
function labelOf(side, operand, t) {
  const found = at(operand, t);
  const turned = operand.turned ? ".T" : "";
  if (!found) return `${name(side, operand.key)}[${t + 1}]${turned}`;
  return `${name(side, found.key)}${found.t === "" ? "" : `[${found.t}]`}${turned}`;
}

const ofStep = (key, axes) => ({ key, step: "", turned: false, axes });

function axesOf(side, key) {
  const [one, other] = shipped.axes[key];
  return side === "columns" ? [other, one] : [one, other];
}

/** An equation at a step, drawn: the result, and what it is made from, with a word on the axes that meet. */
function drawn(side, key, t) {
  const one = equation(side, key);
  const box = make("div.product");
  box.append(matrix(side, ofStep(key, axesOf(side, key)), t));
  const slopes = { "1 - □²": `= 1 ${MINUS}`, "1 - tanh²": `= 1 ${MINUS} tanh` };
  const opening = slopes[one.function] ?? `= ${one.function}`;
  one.terms.forEach((term, k) => {
    // A sign goes with what follows it, onto the next line too.
    const group = make("span.term", {}, make("span.sign", {}, k ? (term.minus ? MINUS : "+") : opening));
    term.operands.forEach((operand, m) => {
      if (m) group.append(one.elementwise ? make("span.sign", {}, "\u22c5") : meeting(term.operands[0], operand));
      group.append(matrix(side, operand, t));
    });
    if (one.function.includes("²")) group.append(make("span.sign.power", {}, "2"));
    box.append(group);
  });
  return box;
}

/** The two axes that meet in a product: one name, or two names with their sizes. */
function met(left, right) {
  const one = left.axes[1], other = right.axes[0];
  const size = (axis) => ` ${data().sizes[axis]}`;
  return one === other ? [axisName(one)] : [axisName(one), size(one), " meets ", axisName(other), size(other)];
}

/** The sign of a product, with the axes that meet in it. */
function meeting(left, right) {
  const kind = left.axes[1] === right.axes[0] ? "" : ".misfit";
  return make(`span.sign.meets${kind}`, {}, "@", make("small", {}, ...met(left, right)));
}

// The parts of the workbench.

const FORWARD = ["h", "z", "p"], BACKWARD = ["dz", "dh_out", "slope", "dh", "dpre", "dh_next", "dx"];

function step() {
  const T = steps();
  return state.at < T ? { t: state.at, back: false } : { t: 2 * T - 1 - state.at, back: true };
}

function showStep() {
  const { t, back } = step();
  $("time").max = 2 * steps() - 1;
  $("time").value = state.at;
  const where = `t = ${t}, on the way ${back ? "back" : "forward"}`;
  $("where").textContent = where;
  $("time").setAttribute("aria-valuetext", where);
  $("back").disabled = state.at === 0;
  $("on").disabled = state.at === 2 * steps() - 1;
  for (const key of cells.keys()) cells.set(key, cells.get(key).filter((cell) => !cell.closest("#panels")));
  const pair = (inside) => make("div.pair", {}, ...["rows", "columns"].map((side) =>
    make(`div.${side}`, { role: "group", "aria-label": `in ${side}` }, ...inside(side))));
  const panels = $("panels");
  panels.replaceChildren(
    ...(back ? BACKWARD : FORWARD).map((key) => pair((side) => [drawn(side, key, t)])),
    make("h4", {}, "What the whole pass leaves: the gradients"),
    pair((side) => {
      const left = shipped.gradients.map((key) => matrix(side, ofStep(key, axesOf(side, key)), t));
      return [make("div.product", {}, ...left)];
    }));
  // One stop for the Tab key in each convention; the arrow keys do the rest.
  for (const side of ["rows", "columns"]) {
    const first = panels.querySelector(`.${side} td`);
    if (first) first.tabIndex = 0;
  }
  for (const head of document.querySelectorAll("#travel th[data-t]")) {
    head.classList.toggle("here", Number(head.dataset.t) === t);
  }
}

function showEdit() {
  const fault = shipped.faults[state.fault];
  const box = $("edit");
  if (!fault) return box.replaceChildren();
  const title = fault.transpose ? `No transpose in the product that makes ${fault.title}` : fault.title;
  const code = (kind, text) => make(kind, {}, make("code", {}, text));
  const lines = ["rows", "columns"].map((side) => {
    const edit = fault.edits[side];
    if (!edit) return make("p", {}, "Columns: one example at a time has no batch to sum over, and cannot make it.");
    const where = `${side === "rows" ? "Rows" : "Columns"}, ${edit.file}: `;
    return make("p", {}, where, code("del", edit.was), " ", code("ins", edit.becomes));
  });
  box.replaceChildren(make("p", {}, make("b", {}, title), `: ${fault.words}.`), ...lines);
}

const wrongOnes = (side) =>
  Object.entries(run(side).errors.arrays ?? {}).filter(([key, found]) => key !== "loss" && found).map(([key]) => key);

/** What comes of the mistake: "raises", "wrong" or "right". */
function outcome(side) {
  const one = run(side);
  if (one.stop) return "raises";
  return wrongOnes(side).length || one.errors.arrays?.loss ? "wrong" : "right";
}

function listed(words) {
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words[0];
}

function said(side) {
  const one = run(side);
  if (one.stop) {
    const { code, place, message } = one.stop;
    return [make("code", {}, code), ` (${place}) raises: `, make("code", {}, message)];
  }
  const wrong = wrongOnes(side), loss = one.errors.arrays?.loss;
  const all = shipped.gradients.length + 1;
  const ofLoss = loss ? `wrong by ${percent(loss)}` : "right";
  if (!wrong.length && !loss) return ["every product fits, and everything is right."];
  if (!wrong.length) return [`every product fits, all ${all} gradients are right, and the loss is ${ofLoss}.`];
  const names = listed(wrong.map((key) => name(side, key)));
  return [`every product fits, and ${wrong.length} of ${all} gradients are wrong: ${names}. The loss is ${ofLoss}.`];
}

function showSummary() {
  const box = $("summary");
  if (!state.fault) {
    const right = "Nothing is broken: both conventions give the same loss and the same gradients. ";
    return box.replaceChildren(right, data().why);
  }
  const alike = outcome("rows") === outcome("columns") && outcome("rows") !== "raises";
  const lines = alike ? [make("b", {}, "In both conventions "), ...said("rows")]
    : [make("b", {}, "Rows: "), ...said("rows"), make("br"), make("b", {}, "Columns: "), ...said("columns")];
  if (outcome("rows") === "right") lines.push(` ${data().why}`);
  box.replaceChildren(...lines);
}

function verdict(side, key) {
  const one = run(side);
  const known = key === "loss" ? one.loss !== null : key === "dx" ? !one.stop : Boolean(values(side, key) ?? false);
  const found = one.errors.arrays?.[key];
  if (!known || found === null) return make("span.verdict.absent", {}, "not computed");
  return found ? make("span", {}, make("span.verdict.differs", {}, "differs"), ` ${percent(found)}`)
    : make("span.verdict.agrees", {}, "agrees");
}

/** A table of heads and lines; each cell is a text, an element, several of these, or a ready-made cell. */
function table(kind, heads, lines) {
  const cell = (tag, attributes, content) =>
    content instanceof HTMLTableCellElement ? content : make(tag, attributes, ...[content].flat());
  const head = make("tr", {}, ...heads.map((text) => cell("th", { scope: "col" }, text)));
  const body = lines.map(([first, ...rest]) =>
    make("tr", {}, cell("th", { scope: "row" }, first), ...rest.map((content) => cell("td", {}, content))));
  return make(`table.grid${kind}`, {}, make("thead", {}, head), make("tbody", {}, ...body));
}

function bothNames(key) {
  const [one, other] = key === "loss" ? ["loss", "loss"] : shipped.names[key];
  return one === other ? [make("code", {}, one)] : [make("code", {}, one), " ", make("code", {}, other)];
}

function showGradients() {
  const keys = ["loss", ...shipped.gradients, "dx"];
  $("gradients").replaceChildren(table(".gradients", ["", "rows", "columns"],
    keys.map((key) => [bothNames(key), verdict("rows", key), verdict("columns", key)])));
}

/** At every step, how far each array is off, in rows; where an index says t the workbench goes there. */
function showTravel() {
  const T = steps(), errors = run("rows").errors.steps ?? {};
  const heads = ["t ="].concat([...Array(T).keys()].map((t) => {
    const button = make("button", { type: "button", "aria-label": `go to t = ${t}, on the way back` }, String(t));
    button.addEventListener("click", () => go(2 * T - 1 - t));
    const head = make("th", { scope: "col", "data-t": t }, button);
    return head;
  }));
  const lines = [...FORWARD, ...BACKWARD].map((key) => [bothNames(key), ...[...Array(T).keys()].map((t) => {
    const found = values("rows", key, t) ? (errors[key] ?? [])[t] ?? 0 : null;
    const cell = make("td.num", {}, percent(found));
    if (found) {
      cell.classList.add("off");
      cell.style.setProperty("--heat", Math.min(1, Math.sqrt(found)).toFixed(2));
    }
    return cell;
  })]);
  $("travel").replaceChildren(table(".travel", heads, lines));
}

/** Every product with the axes that meet in it, and whether it fits. */
function showProducts() {
  const line = (side, key, term) => {
    const one = equation(side, key), [left, right] = term.operands;
    const { stop } = run(side);
    const [mark, fits] = !stop || stop.reached.includes(key) ? ["agrees", "fits"]
      : shipped.faults[state.fault].key === key ? ["differs", "does not fit"] : ["absent", "not reached"];
    const writtenAs = (o) => `${name(side, o.key)}${o.step}${o.turned ? ".T" : ""}`;
    const product = `${writtenAs(left)} @ ${writtenAs(right)}`;
    return [make("code", {}, product), " ", ...met(left, right), " ", make(`span.verdict.${mark}`, {}, fits)];
  };
  const lines = [];
  for (const one of shipped.equations.rows) {
    const changed = { rows: equation("rows", one.key), columns: equation("columns", one.key) };
    changed.rows?.terms.forEach((term, k) => {
      if (term.operands.length < 2 || changed.rows.elementwise || one.key === "Z") return;
      const other = changed.columns.terms[k];
      lines.push([make("code", {}, one.key), line("rows", one.key, term), line("columns", one.key, other)]);
    });
  }
  $("products").replaceChildren(make("div.wide", { tabindex: "0", role: "group", "aria-label": "products" },
    table(".products", ["for", "rows", "columns"], lines)));
}

// Asking before it shows.

const GUESSES = {
  raises: "A product does not fit",
  wrong: "All fits, something comes out wrong",
  right: "All fits, all comes out right",
};

function ask() {
  const key = `${state.fault} ${state.on}`;
  const asking = state.fault && $("asking").checked && !answered.has(key);
  $("predict").hidden = !asking;
  $("shown").hidden = Boolean(asking);
  if (!asking) return;
  const buttons = Object.entries(GUESSES).map(([guess, text]) => {
    const button = make("button", { type: "button", "data-guess": guess }, text);
    button.addEventListener("click", () => {
      answered.add(key);
      show();
      const truth = outcome("rows");
      $("summary").prepend(make("b", {}, guess === truth ? "So it is. " : `Not so: ${GUESSES[truth].toLowerCase()}. `));
      $("summary").tabIndex = -1;
      $("summary").focus({ preventScroll: true });
    });
    return button;
  });
  $("predict").replaceChildren(make("p", {}, make("b", {}, "Predict. "), "What will come of it, in rows?"),
    make("div.guesses", {}, ...buttons));
}

function show() {
  state.at = Math.min(state.at, 2 * steps() - 1);
  showEdit();
  showSummary();
  showGradients();
  showTravel();
  showProducts();
  showStep();
  ask();
}

function go(position) {
  state.at = Math.max(0, Math.min(2 * steps() - 1, position));
  inspect(null);
  showStep();
}

// Pointing at an element.

const inspector = $("inspector");
let marked = [];

function inspect(cell) {
  for (const one of marked) one.classList.remove("same", "from");
  marked = [];
  inspector.hidden = !cell;
  if (!cell) return;
  const { element, side } = cell;
  const mark = (one, kind) => {
    one.classList.add(kind);
    marked.push(one);
  };
  for (const one of cells.get(id(element)) ?? []) mark(one, "same");
  const terms = madeFrom(side, element);
  for (const term of terms) {
    for (const f of term.factors) for (const one of cells.get(id(f)) ?? []) if (one.side === side) mark(one, "from");
  }
  // In the other convention the same is made from the partners of these.
  for (const term of madeFrom(OTHER[side], element)) {
    for (const f of term.factors) for (const one of cells.get(id(f)) ?? []) if (one.side !== side) mark(one, "from");
  }
  const place = element.i * shape(element.key)[1] + element.j;
  const value = values(side, element.key, element.t)[place];
  const right = values("rows", element.key, element.t, "")?.[place] ?? value;
  const called = (s) => {
    const [i, j] = s === "rows" ? [element.i, element.j] : [element.j, element.i];
    const [a, b] = axesOf(s, element.key);
    return [make("code", {}, `${name(s, element.key)}${element.t === "" ? "" : `[${element.t}]`}`),
      " at ", axisName(a), ` ${i}, `, axisName(b), ` ${j}`];
  };
  const line = make("p", {}, ...called(side), " is ", make("b.num", {}, shown(value)));
  if (share(side, element.key, element.t) && shown(right) !== shown(value)) {
    line.append(", and should be ", make("b.num", {}, shown(right)));
  }
  line.append(". In ", OTHER[side], ": ", ...called(OTHER[side]), ".");
  const made = terms.length ? make("p.num", {}, `${shown(value)} = ${sum(side, element)}`)
    : make("p", {}, equation(side, element.key) ? "Nothing is added to it at this step." : "It is given.");
  inspector.replaceChildren(line, made);
}

const cellOf = (event) => {
  const cell = event.target instanceof Element ? event.target.closest("td") : null;
  return cell?.element ? cell : null;
};
const focused = () => (document.activeElement?.element ? document.activeElement : null);

document.addEventListener("pointerover", (event) => inspect(cellOf(event) ?? focused()));
document.addEventListener("focusin", (event) => {
  const cell = cellOf(event);
  inspect(cell);
  if (!cell) return;
  cell.setAttribute("aria-describedby", "inspector");
  // Where the reader leaves a panel is where Tab comes back to.
  for (const table of region(cell)) for (const one of table.querySelectorAll('td[tabindex="0"]')) one.tabIndex = -1;
  cell.tabIndex = 0;
});

/** The matrices that the arrow keys go through: those of a convention, or of a product in a chapter. */
function region(cell) {
  const all = cell.closest("#panels") ? document.querySelectorAll(`#panels .${cell.side} table`)
    : cell.closest(".product").querySelectorAll("table");
  return [...all].filter((table) => table.rows[0].cells[0].element);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return inspect(null);
  const cell = focused();
  const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!cell || !by) return;
  event.preventDefault();
  const line = cell.parentElement, lines = line.parentElement.parentElement.rows;
  const next = lines[line.rowIndex + by[0]]?.cells[cell.cellIndex + by[1]];
  if (next) return next.focus();
  // Past the edge lies the next matrix, or the one before.
  const all = region(cell);
  const other = all[all.indexOf(cell.closest("table")) + (by[0] + by[1])];
  if (!other) return;
  const row = by[0] ? (by[0] > 0 ? 0 : other.rows.length - 1) : Math.min(line.rowIndex, other.rows.length - 1);
  const width = other.rows[row].cells.length;
  const column = by[1] ? (by[1] > 0 ? 0 : width - 1) : Math.min(cell.cellIndex, width - 1);
  other.rows[row].cells[column].focus();
});

// The switches. Their state stands behind the # of the address, so that a link can show a mistake.

function note() {
  const said = new URLSearchParams({ fault: state.fault, on: state.on });
  history.replaceState(null, "", `#${said}`);
}

function choose(fault, on) {
  state.fault = fault in shipped.faults ? fault : "";
  state.on = on in shipped.data ? on : "different";
  for (const key of ["fault", "on"]) {
    document.querySelector(`input[name="${key}"][value="${state[key]}"]`).checked = true;
  }
  inspect(null);
  show();
}

function follow() {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (!asked.has("fault")) return;
  choose(asked.get("fault"), asked.get("on"));
  goToBench();
}

function goToBench() {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  $("bench").scrollIntoView({ behavior: still ? "auto" : "smooth" });
  document.querySelector('input[name="fault"]:checked').focus({ preventScroll: true });
}

for (const input of document.querySelectorAll('input[name="fault"], input[name="on"]')) {
  input.addEventListener("change", () => {
    choose(...(input.name === "fault" ? [input.value, state.on] : [state.fault, input.value]));
    note();
  });
}
$("asking").addEventListener("change", show);
$("time").addEventListener("input", () => go(Number($("time").value)));
$("back").addEventListener("click", () => go(state.at - 1));
$("on").addEventListener("click", () => go(state.at + 1));

for (const button of document.querySelectorAll("button.try")) {
  button.addEventListener("click", () => {
    choose(button.dataset.fault, button.dataset.on);
    note();
    goToBench();
  });
}

// The matrices of the chapters take part, too.
for (const figure of document.querySelectorAll("figure[data-key]")) {
  const { key, side, flipped: turned } = figure.dataset;
  for (const line of figure.querySelector("table").rows) {
    for (const cell of line.cells) {
      const [i, j] = turned ? [cell.cellIndex, line.rowIndex] : [line.rowIndex, cell.cellIndex];
      track(cell, side, { key, t: "", i, j });
    }
  }
  if (figure.matches(":first-child")) figure.querySelector("td").tabIndex = 0;
}

state.at = 2 * steps() - 1 - 3;
document.documentElement.classList.add("js");
choose("", "");
follow();
addEventListener("hashchange", follow);
