"use strict";

const element = (name, text, kind) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
};

// The patch is copied as it is.
for (const patch of document.querySelectorAll(".patch")) {
  const button = element("button", "Copy the patch", "copy");
  button.type = "button";
  const said = element("span");
  said.setAttribute("aria-live", "polite");
  said.className = "skip";
  button.addEventListener("click", async () => {
    const text = patch.querySelector(".diff").textContent;
    const done = await copy(text);
    button.textContent = said.textContent = done ? "Copied" : "Select it and copy";
    setTimeout(() => { button.textContent = "Copy the patch"; }, 2000);
  });
  patch.prepend(button, said);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", text);
    const before = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}

// Values under the pointer: what the opened line shows of one expression.
const tip = element("div", "", "tip");
tip.hidden = true;
tip.setAttribute("role", "tooltip");
document.body.append(tip);
let over = null;

document.addEventListener("pointermove", (event) => {
  const found = event.target.closest?.(".e") ?? null;
  if (found !== over) {
    over?.classList.remove("here");
    over = found;
    over?.classList.add("here");
    if (over) tell(over);
  }
  tip.hidden = !over;
  if (over) place(event.clientX, event.clientY);
});
document.addEventListener("pointerleave", () => { tip.hidden = true; });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
document.addEventListener("scroll", () => { tip.hidden = true; }, { capture: true, passive: true });

function tell(expression) {
  const table = expression.closest("details").querySelector(".grid");
  const row = table.tBodies[0].rows[Number(expression.dataset.e)];
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  tip.replaceChildren(element("b", row.cells[0].textContent));
  const what = row.cells[1].textContent;
  if (what) tip.append(element("div", what, what.includes("nobody's") ? "no" : ""));
  const list = element("dl");
  for (let k = 2; k < row.cells.length; k++) {
    if (!row.cells[k].textContent) continue;
    list.append(element("dt", heads[k]), element("dd", row.cells[k].textContent, row.cells[k].querySelector(".no") ? "no" : ""));
  }
  tip.append(list);
}

function place(x, y) {
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(x + 12, innerWidth - box.width - 8))}px`;
  tip.style.top = `${y + 22 + box.height > innerHeight ? Math.max(8, y - box.height - 12) : y + 22}px`;
}

// Elements of a gradient, by pointer or by arrow keys.
for (const pictures of document.querySelectorAll(".pictures")) {
  const matrix = (text) => text.split(";").map((line) => line.split(" ").map(Number));
  const yours = matrix(pictures.dataset.yours);
  const right = matrix(pictures.dataset.right);
  const rows = (pictures.dataset.rows ?? "").split(";");
  const columns = pictures.dataset.columns.split(" ");
  const readout = pictures.nextElementSibling;
  const all = [...pictures.querySelectorAll(".cells")];
  const marks = all.map((cells) => cells.appendChild(element("span", "", "here")));
  for (const mark of marks) mark.hidden = true;
  let at = [0, 0];

  const show = (i, j) => {
    at = [Math.max(0, Math.min(i, yours.length - 1)), Math.max(0, Math.min(j, yours[0].length - 1))];
    [i, j] = at;
    all.forEach((cells, k) => {
      const image = cells.querySelector("img");
      const [w, h] = [image.clientWidth / yours[0].length, image.clientHeight / yours.length];
      Object.assign(marks[k].style, { left: `${j * w}px`, top: `${i * h}px`, width: `${w}px`, height: `${h}px` });
      marks[k].hidden = false;
    });
    const index = [...(rows[i] ? rows[i].split(" ") : []), columns[j]].join(", ");
    const written = (value) => (Number.isNaN(value) ? "nan" : value.toPrecision(4).replace("-", "−"));
    readout.textContent = `${pictures.dataset.name}[${index}]: yours ${written(yours[i][j])}, right ${written(right[i][j])}, `
      + `difference ${written(yours[i][j] - right[i][j])}`;
  };

  all.forEach((cells) => {
    const image = cells.querySelector("img");
    cells.tabIndex = 0;
    cells.setAttribute("role", "application");
    cells.setAttribute("aria-label", `${image.alt}; arrow keys go from element to element`);
    cells.addEventListener("focus", () => show(...at));
    cells.addEventListener("pointermove", (event) => {
      const box = image.getBoundingClientRect();
      show(
        Math.floor((event.clientY - box.top) / box.height * yours.length),
        Math.floor((event.clientX - box.left) / box.width * yours[0].length),
      );
    });
    cells.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      show(at[0] + step[0], at[1] + step[1]);
    });
  });
}

// A link to a port unfolds its report.
const unfold = () => {
  const target = location.hash ? document.getElementById(location.hash.slice(1)) : null;
  const folded = target?.closest("details");
  if (folded) {
    folded.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", unfold);
unfold();
