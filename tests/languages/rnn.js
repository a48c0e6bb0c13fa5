// A recurrent network in JavaScript, one sequence at a time, column vectors: loss and gradients for every
// case of a folder.
//
//     rowcol export cases --family rnn --layout columns.txt --format json
//     node rnn.js cases
//     rowcol check cases

const fs = require("fs");
const path = require("path");

const zeros = (n, m) => Array.from({ length: n }, () => (m === undefined ? 0 : new Array(m).fill(0)));
const range = (n) => [...Array(n).keys()];
const dot = (u, v) => u.reduce((sum, value, i) => sum + value * v[i], 0);
const times = (W, v) => W.map((row) => dot(row, v)); // W v
const transposed = (W) => W[0].map((_, j) => W.map((row) => row[j]));
const add = (u, v) => u.map((value, i) => value + v[i]);
const addTo = (total, v) => v.forEach((value, i) => (total[i] += value));
const addOuter = (total, u, v) => u.forEach((value, i) => v.forEach((other, j) => (total[i][j] += value * other)));

function softmax(z) {
  const e = z.map((value) => Math.exp(value - Math.max(...z)));
  const total = e.reduce((sum, value) => sum + value, 0);
  return e.map((value) => value / total);
}

function rnn({ Wax, Waa, Wya, b, by, x, y, a0 }) {
  const a = [a0]; // a[t + 1] is the state of step t
  const p = [];
  let loss = 0;
  for (const t of range(x.length)) {
    a.push(add(add(times(Wax, x[t]), times(Waa, a[t])), b).map(Math.tanh));
    p.push(softmax(add(times(Wya, a[t + 1]), by)));
    loss -= Math.log(p[t][y[t]]);
  }

  const [dWax, dWaa, dWya] = [Wax, Waa, Wya].map((W) => zeros(W.length, W[0].length));
  const [db, dby] = [b, by].map((v) => zeros(v.length));
  const dx = [];
  let da_next = zeros(b.length);
  for (const t of range(x.length).reverse()) {
    const dy = p[t].slice();
    dy[y[t]] -= 1;
    addOuter(dWya, dy, a[t + 1]);
    addTo(dby, dy);
    const da = add(times(transposed(Wya), dy), da_next);
    const daraw = da.map((value, i) => (1 - a[t + 1][i] ** 2) * value);
    addTo(db, daraw);
    addOuter(dWax, daraw, x[t]);
    addOuter(dWaa, daraw, a[t]);
    dx[t] = times(transposed(Wax), daraw);
    da_next = times(transposed(Waa), daraw);
  }
  return { loss, Wax: dWax, Waa: dWaa, Wya: dWya, b: db, by: dby, x: dx, a0: da_next };
}

const folder = process.argv[2];
for (const name of fs.readdirSync(folder).filter((name) => name.startsWith("case-"))) {
  const inputs = JSON.parse(fs.readFileSync(path.join(folder, name, "inputs.json"), "utf8"));
  fs.writeFileSync(path.join(folder, name, "answer.json"), JSON.stringify(rnn(inputs)));
}
