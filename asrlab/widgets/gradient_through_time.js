// A gradient on its way back through time. The recursions are those of asrlab/scratch/recurrence.py;
// tests/widgets/test_gradient_through_time.py holds the two equal.

const times = (A, x) => A.map((row) => row.reduce((sum, a, k) => sum + a * x[k], 0));
const transposed = (A, x) => A[0].map((_, k) => A.reduce((sum, row, i) => sum + row[k] * x[i], 0));
const sigmoid = (a) => 1 / (1 + Math.exp(-a));
const zeros = (n) => Array(n).fill(0);
const length = (...parts) => Math.hypot(...parts.flat());

// States h_0 .. h_T of an Elman network whose recurrent weights are `radius` times U.
export function elman(X, W, U, radius, linear) {
  const h = [zeros(U.length)];
  for (const x of X) {
    const a = times(W, x), back = times(U, h.at(-1));
    h.push(a.map((one, k) => { const sum = one + radius * back[k]; return linear ? sum : Math.tanh(sum); }));
  }
  return h;
}

// The length of dL/dh_t for t = 0 .. T, of a loss with the gradient `last` at h_T.
export function elmanGradients(h, U, radius, linear, last) {
  let delta = last;
  const norms = [length(delta)];
  for (let t = h.length - 1; t > 0; t -= 1) {
    const slope = h[t].map((one) => (linear ? 1 : 1 - one * one));
    delta = transposed(U, delta.map((one, k) => radius * one * slope[k]));
    norms.push(length(delta));
  }
  return norms.reverse();
}

// The gates, states and cells of an LSTM; biases are zero but for the forget gates'.
export function lstm(X, W, U, bias) {
  const D = U[0].length, h = [zeros(D)], cell = [zeros(D)], gates = [null];
  for (const x of X) {
    const a = times(W, x), back = times(U, h.at(-1));
    const part = (k, f, shift = 0) => Array.from({ length: D }, (_, d) => f(a[k * D + d] + back[k * D + d] + shift));
    const i = part(0, sigmoid), f = part(1, sigmoid, bias), g = part(2, Math.tanh), o = part(3, sigmoid);
    cell.push(cell.at(-1).map((one, d) => f[d] * one + i[d] * g[d]));
    h.push(cell.at(-1).map((one, d) => o[d] * Math.tanh(one)));
    gates.push({ i, f, g, o });
  }
  return { h, cell, gates };
}

// The length of the gradient with respect to (h_t, cell_t) for t = 0 .. T.
export function lstmGradients({ h, cell, gates }, U, last) {
  let dh = last, dcell = zeros(last.length);
  const norms = [length(dh, dcell)];
  for (let t = h.length - 1; t > 0; t -= 1) {
    const { i, f, g, o } = gates[t], kept = cell[t].map(Math.tanh);
    dcell = dcell.map((one, d) => one + dh[d] * o[d] * (1 - kept[d] ** 2));
    const da = [
      dcell.map((one, d) => one * g[d] * i[d] * (1 - i[d])), dcell.map((one, d) => one * cell[t - 1][d] * f[d] * (1 - f[d])),
      dcell.map((one, d) => one * i[d] * (1 - g[d] ** 2)), dh.map((one, d) => one * kept[d] * o[d] * (1 - o[d]))].flat();
    dh = transposed(U, da);
    dcell = dcell.map((one, d) => one * f[d]);
    norms.push(length(dh, dcell));
  }
  return norms.reverse();
}

export function lstmNorms(X, W, U, bias, last) {
  return lstmGradients(lstm(X, W, U, bias), U, last);
}

// Where the gradient at the first step is, in words.
export function verdict(first) {
  if (!(first < 1e3)) return "exploded";
  if (first < 1e-3) return "vanished";
  return "still there";
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const power = (k) => (k === 0 ? "1" : `10${[...String(k)].map((letter) => RAISED[letter]).join("")}`);

function shown(x) {
  if (!Number.isFinite(x)) return "∞";
  if (x === 0 || (x >= 0.01 && x < 1000)) return format.number(x, x < 1 ? 3 : 2);
  const exponent = Math.floor(Math.log10(x));
  return `${(x / 10 ** exponent).toFixed(1)} · ${power(exponent)}`;
}

const LOWEST = -6, HIGHEST = 4; // powers of ten that the picture holds; beyond them the curve stays at its edge

function render({ model, el }) {
  const data = model.get("data");
  const state = { cell: data.cell, radius: data.radius, steps: 60, linear: false, bias: 1 };
  const card = frame(el, {
    title: "A gradient on its way back",
    help: "The loss is at the last step. Read the upper picture from right to left: how long is its gradient when it gets there?",
  });
  const cells = choice({ label: "Cell", options: [["elman", "Elman"], ["lstm", "LSTM"]], value: state.cell }, (v) => set("cell", v));
  const radius = slider({ label: "Spectral radius of U", min: 0.5, max: 1.5, step: 0.01, value: state.radius,
    format: (v) => format.number(v, 2) }, (v) => set("radius", v));
  const kind = choice({ label: "Nonlinearity", options: [["tanh", "tanh"], ["linear", "none"]], value: "tanh" },
    (v) => set("linear", v === "linear"));
  const bias = slider({ label: "Bias of the forget gates", min: -2, max: 6, step: 0.1, value: state.bias,
    format: (v) => `${format.number(v, 1)}: keeps ${format.percent(sigmoid(v))}` }, (v) => set("bias", v));
  const steps = slider({ label: "Steps", min: 5, max: data.X.length, step: 1, value: state.steps }, (v) => set("steps", v));
  const gradientBox = h("div", { class: "aw-scroll" }), stateBox = h("div", { class: "aw-scroll" });
  const result = note("");
  result.classList.add("gt-result");
  card.append(row(cells, kind, radius, bias), row(steps), gradientBox, stateBox, result);
  let width = 0;

  function set(name, value) {
    state[name] = value;
    show();
  }

  function compute() {
    const X = data.X.slice(0, state.steps);
    if (state.cell === "lstm") {
      const run = lstm(X, data.lstm_W, data.lstm_U, state.bias);
      return { states: run.cell, norms: lstmGradients(run, data.lstm_U, data.last) };
    }
    const states = elman(X, data.W, data.U, state.radius, state.linear);
    return { states, norms: elmanGradients(states, data.U, state.radius, state.linear, data.last) };
  }

  function picture(height, x, y, options, children, label) {
    return s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label, class: "gt-picture" },
      axes({ width, height, x, y, ...options }), children);
  }

  function path(values, x, y) {
    return values.map((v, t) => `${t ? "L" : "M"}${x(t).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  }

  function show() {
    const isLstm = state.cell === "lstm";
    radius.hidden = kind.hidden = isLstm;
    bias.hidden = !isLstm;
    if (!width) return;
    const { states, norms } = compute();
    const x = scale([0, state.steps], [46, width - 12]);
    const y = scale([LOWEST, HIGHEST], [256, 26]);
    const heights = norms.map((v) => Math.max(LOWEST, Math.min(HIGHEST, v > 0 ? Math.log10(v) : LOWEST)));
    const first = norms[0], word = verdict(first);
    const label = `Length of the gradient at each step, on a logarithmic axis: ${shown(norms.at(-1))} at the last, `
      + `${shown(first)} at the first.`;
    gradientBox.replaceChildren(picture(296, x, y, { xlabel: "step", ylabel: "length of the gradient", yformat: power }, [
      s("line", { class: "gt-one", x1: x(0), x2: x(state.steps), y1: y(0), y2: y(0) }),
      s("path", { class: "gt-gradient", d: path(heights, x, y) }),
      s("circle", { class: "gt-first", cx: x(0), cy: y(heights[0]), r: 5 }),
    ], label));
    const largest = Math.max(...states.flat().map(Math.abs)), most = Math.min(Math.max(largest, 1), 1e6);
    const up = scale([-most, most], [170, 26]);
    const clipped = (values) => values.map((v) => Math.max(-most, Math.min(most, v)));
    const lines = data.last.map((_, k) => s("path", { class: `gt-state gt-state-${k % 4}`,
      d: path(clipped(states.map((one) => one[k])), x, up) }));
    stateBox.replaceChildren(picture(210, x, up, { xlabel: "step", ylabel: isLstm ? "the eight cells" : "the eight states",
      yformat: (v) => (Math.abs(v) >= 1000 ? v.toExponential(0) : format.number(v, most < 2 ? 1 : 0)) }, lines,
    `The ${isLstm ? "cells" : "states"} over the steps; the largest reaches ${shown(largest)}.`));
    const end = word === "still there" ? "it is still there" : `it has ${word}`;
    result.textContent = `After ${state.steps} steps back the gradient has the length ${shown(first)}: ${end}.`;
    result.dataset.norm = String(first);
    describe(card, result.textContent);
  }

  const stop = responsive(card, (next) => { width = next; show(); });
  return stop;
}

export default { render };
