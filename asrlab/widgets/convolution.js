// A kernel over a signal, one place at a time. The arithmetic is that of asrlab/scratch/convolution.py and of
// asrlab/widgets/convolution.py; tests/widgets/test_convolution_widget.py holds them equal.

const TAPS = 7, MIDDLE = (TAPS - 1) / 2;
const PRESETS = {
  onset: [-1 / 3, -1 / 3, -1 / 3, 0, 1 / 3, 1 / 3, 1 / 3],
  average: Array(TAPS).fill(1 / TAPS),
  edge: [0, 0, 0, -1, 1, 0, 0],
  echo: [0.6, 0, 0, 0, 0, 0, 1],
};
const SHOWN = { onset: "onset detector", average: "average", edge: "edge", echo: "echo", own: "your own" };

// How many places a kernel of k taps finds on T values; 0 if it is too long.
export function outputLength(T, k, stride, padding, dilation) {
  const reach = dilation * (k - 1) + 1;
  return T + 2 * padding < reach ? 0 : Math.floor((T + 2 * padding - reach) / stride) + 1;
}

// Where the taps lie when output t is computed; some may lie outside of the signal.
export function taps(t, k, stride, padding, dilation) {
  return Array.from({ length: k }, (_, i) => t * stride + i * dilation - padding);
}

// The products at output t; outside of the signal there are zeros.
export function products(x, w, t, stride, padding, dilation) {
  return taps(t, w.length, stride, padding, dilation).map((n, i) => (n >= 0 && n < x.length ? w[i] * x[n] : 0));
}

export function slide(x, w, stride, padding, dilation) {
  const y = new Array(outputLength(x.length, w.length, stride, padding, dilation));
  for (let t = 0; t < y.length; t += 1) {
    let sum = 0;
    for (let i = 0; i < w.length; i += 1) {
      const n = t * stride + i * dilation - padding;
      if (n >= 0 && n < x.length) sum += w[i] * x[n];
    }
    y[t] = sum;
  }
  return y;
}

// The places above `least` that are higher than what is before and no lower than what is behind.
export function peaks(y, least) {
  return y.flatMap((v, t) => (v > least && !(t > 0 && y[t - 1] >= v) && !(t + 1 < y.length && y[t + 1] > v) ? [t] : []));
}

// The sound at half its volume with a short click at each of these times, in seconds.
export function withClicks(samples, rate, times) {
  const mixed = Array.from(samples, (v) => 0.5 * v), length = Math.round(0.02 * rate);
  for (const time of times) {
    const start = Math.round(time * rate);
    for (let n = 0; n < length && start + n < mixed.length; n += 1) {
      mixed[start + n] += 0.6 * Math.exp(-n / (0.004 * rate)) * Math.sin((2 * Math.PI * 2000 * n) / rate);
    }
  }
  return mixed.map((v) => Math.max(-1, Math.min(1, v)));
}

// What is heard of an output: each value held for `stride` samples, no louder than 0.9.
export function held(y, stride) {
  const loudest = y.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
  return Array.from({ length: y.length * stride }, (_, n) => (0.9 * y[Math.floor(n / stride)]) / loudest);
}

// 16-bit samples in base64 to numbers from -1 to 1.
export function samplesOf(base64) {
  const text = atob(base64), numbers = new Array(text.length / 2);
  for (let n = 0; n < numbers.length; n += 1) {
    const value = text.charCodeAt(2 * n) + 256 * text.charCodeAt(2 * n + 1);
    numbers[n] = (value < 32768 ? value : value - 65536) / 32767;
  }
  return numbers;
}

function render({ model, el }) {
  const data = model.get("data"), sound = samplesOf(data.sound);
  const state = { signal: data.signal, kernel: [...PRESETS.onset], stride: 1, same: true, dilation: 1, width: 0 };
  const card = frame(el, {
    title: "Convolution, one place at a time",
    help: "Drag the weights up and down, or focus one and press the arrow keys. Drag or step the window along the signal.",
  });

  const signal = choice({ label: "Signal", options: [["loudness", "loudness, 100 a second"], ["waveform", "waveform, 8000 a second"]],
    value: state.signal }, (next) => { state.signal = next; changed(); });
  const preset = choice({ label: "Kernel", options: Object.entries(SHOWN), value: "onset" }, (next) => {
    if (next !== "own") state.kernel = [...PRESETS[next]];
    changed();
  });
  const stride = slider({ label: "Stride", min: 1, max: 4, value: 1 }, (next) => { state.stride = next; changed(); });
  const dilation = slider({ label: "Dilation", min: 1, max: 16, value: 1 }, (next) => { state.dilation = next; changed(); });
  const padding = checkbox({ label: "pad with zeros, keep the length", value: true }, (next) => { state.same = next; changed(); });

  const view = h("div", { class: "cv-view", role: "group", "aria-label": "The window on the signal; arrow keys move it" });
  const steps = stepper({ label: "Places of the window", count: 1, speed: 12, keys: view }, show);
  const columns = Array.from({ length: TAPS }, (_, i) => column(i));
  const sum = h("div", { class: "cv-sum" });
  const grid = h("div", { class: "cv-grid" },
    h("div", { class: "cv-names" }, ["weight", "× signal", "= product"].map((one) => h("span", {}, one))),
    h("div", { class: "cv-columns" }, columns.map((one) => one.element)), sum);
  const lengths = h("p", { class: "aw-note cv-length" });
  const hear = h("div", { class: "aw-row" });
  card.append(row(signal, preset), view, steps, grid, row(stride, dilation, padding), lengths, hear);
  const original = player({ samples: sound, rate: data.rate });
  original.onTime = (time) => drawHead(time);
  original.onEnd = () => drawHead(null);
  let result = null;

  function bar() {
    const fill = h("i", {}), text = h("b", {});
    const element = h("div", { class: "cv-bar" }, fill, text);
    return { element, set(value, share, colour) {
      const half = 50 * Math.min(1, Math.abs(share));
      Object.assign(fill.style, { height: `${half}%`, bottom: share >= 0 ? "50%" : `${50 - half}%`, background: `var(${colour})` });
      text.textContent = format.number(value, 2);
    } };
  }

  function column(i) {
    const weight = bar(), value = bar(), product = bar();
    const knob = weight.element;
    for (const [name, text] of Object.entries({ role: "slider", tabindex: "0", "aria-label": `Weight ${i}`, "aria-valuemin": "-1",
      "aria-valuemax": "1", "aria-orientation": "vertical" })) knob.setAttribute(name, text);
    knob.classList.add("cv-knob");
    drag(knob, ({ y }) => weigh(i, Math.round((1 - 2 * y) * 20) / 20));
    knob.addEventListener("keydown", (event) => {
      const moves = { ArrowUp: 0.1, ArrowRight: 0.1, ArrowDown: -0.1, ArrowLeft: -0.1, PageUp: 0.5, PageDown: -0.5 };
      const next = event.key === "Home" ? -1 : event.key === "End" ? 1 : state.kernel[i] + moves[event.key];
      if (Number.isNaN(next)) return;
      event.preventDefault();
      weigh(i, Math.round(20 * Math.max(-1, Math.min(1, next))) / 20);
    });
    return { element: h("div", { class: "cv-column" }, knob, value.element, product.element), weight, value, product };
  }

  function weigh(i, value) {
    if (state.kernel[i] === value) return;
    state.kernel[i] = value;
    preset.value = "own";
    changed();
  }

  const options = () => [state.stride, state.same ? state.dilation * MIDDLE : 0, state.dilation];
  // Where in the signal output t stands: under the middle tap.
  const place = (t) => t * state.stride + MIDDLE * state.dilation - options()[1];
  const isLoudness = () => state.signal === "loudness";

  function changed() {
    state.x = isLoudness() ? data.loudness : data.piece;
    state.y = slide(state.x, state.kernel, ...options());
    const before = steps.count === 1 ? Math.floor(state.y.length / 2) : steps.value;
    steps.count = state.y.length;
    steps.value = Math.min(before, state.y.length - 1);
    const [s, p, d] = options(), T = state.x.length;
    lengths.textContent = `Output: (${T} + 2·${p} − ${d}·${TAPS - 1} − 1) / ${s}, rounded down, + 1 = ${state.y.length} values.`;
    drawSignals();
    prepareSound();
    show(steps.value);
  }

  function prepareSound() {
    result?.stop();
    let made = null;
    result = player({ rate: data.rate, get samples() { return (made ??= make()); } });
    result.onTime = (time) => drawHead(time);
    result.onEnd = () => drawHead(null);
    hear.replaceChildren(original.button("Hear the recording"),
      result.button(isLoudness() ? "Hear it with clicks at the output's peaks" : "Hear it through the kernel"),
      note(data.text ? `“${data.text}”` : ""));
  }

  function make() {
    if (!isLoudness()) return held(slide(sound, state.kernel, ...options()), state.stride);
    return withClicks(sound, data.rate, clicks().map((t) => (place(t) * data.hop) / data.rate));
  }

  function clicks() {
    return peaks(state.y, Math.max(0.05, 0.25 * state.y.reduce((most, v) => Math.max(most, v), 0)));
  }

  // ---- pictures

  function drawSignals() {
    const width = state.width, top = 92, gap = 26, low = 92, height = top + gap + low + 12;
    if (!width) return;
    const { x, y } = state, span = state.dilation * MIDDLE + 1;
    state.across = scale([-span, x.length - 1 + span], [2, width - 2]);
    const up = scale([isLoudness() ? 0 : -1, 1], [top, 12]);
    const most = Math.max(0.05, ...y.map(Math.abs));
    state.down = scale([Math.min(0, ...y) < 0 ? -most : 0, most], [height - 8, top + gap]);
    const points = (values, at, where) => values.map((v, n) => `${where(n).toFixed(1)},${at(v).toFixed(1)}`).join(" ");
    state.input = up;
    state.whole = y.map((v, t) => `${state.across(place(t)).toFixed(1)},${state.down(v).toFixed(1)}`);
    state.window = s("rect", { class: "cv-window", y: 4, height: top + 2 });
    state.dots = s("g", { class: "cv-dots" });
    state.done = s("polyline", { class: "cv-done" });
    state.now = s("circle", { class: "cv-now", r: 5 });
    state.drop = s("line", { class: "cv-drop" });
    state.head = s("line", { class: "cv-head", y1: 2, y2: height - 2, visibility: "hidden" });
    const zero = (at) => s("line", { class: "aw-grid", x1: 0, x2: width, y1: at(0), y2: at(0) });
    const marks = isLoudness() ? clicks().map((t) => s("path", { class: "cv-peak",
      d: `M${state.across(place(t))} ${state.down(y[t]) - 8}l-4 -7h8z` })) : [];
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
      "aria-label": "Above the signal with the window on it, below the output" },
      zero(up), zero(state.down), state.window,
      s("polyline", { class: "cv-signal", points: points(x, up, state.across) }),
      s("polyline", { class: "cv-rest", points: state.whole.join(" ") }), marks,
      s("text", { x: 4, y: 13, class: "cv-name" }, isLoudness() ? "loudness" : "waveform"),
      s("text", { x: width - 4, y: top + gap - 3, class: "cv-name", "text-anchor": "end" }, isLoudness() ? "output, and its peaks" : "output"),
      state.drop, state.done, state.dots, state.now, state.head);
    view.replaceChildren(svg);
  }

  function show(t) {
    if (!state.width) return;
    const { x, y, kernel, across, input, down } = state;
    const where = taps(t, TAPS, ...options()), parts = products(x, kernel, t, ...options());
    const largest = Math.max(0.05, ...x.map(Math.abs));
    state.window.setAttribute("x", across(where[0] - 0.5));
    state.window.setAttribute("width", across(where[TAPS - 1] + 0.5) - across(where[0] - 0.5));
    state.dots.replaceChildren(...where.map((n) => s("circle", { cx: across(n), cy: input(x[n] ?? 0), r: 3 })));
    state.done.setAttribute("points", state.whole.slice(0, t + 1).join(" "));
    const at = { cx: across(place(t)), cy: down(y[t]) };
    for (const [name, value] of Object.entries(at)) state.now.setAttribute(name, value);
    for (const [name, value] of Object.entries({ x1: at.cx, x2: at.cx, y1: 98, y2: at.cy })) state.drop.setAttribute(name, value);
    columns.forEach((one, i) => {
      const inside = where[i] >= 0 && where[i] < x.length, value = inside ? x[where[i]] : 0;
      one.weight.set(kernel[i], kernel[i], "--sense");
      one.weight.element.setAttribute("aria-valuenow", String(Math.round(100 * kernel[i]) / 100));
      one.weight.element.setAttribute("aria-valuetext", format.number(kernel[i], 2));
      one.value.set(value, value / largest, inside ? "--sound" : "--mute");
      one.product.set(parts[i], parts[i] / largest, "--accent");
    });
    sum.replaceChildren(h("span", {}, "added up"), h("strong", {}, format.number(y[t], 2)));
    describe(card, `Place ${t + 1} of ${y.length}: the products add up to ${format.number(y[t], 2)}.`);
  }

  function drawHead(time) {
    if (!state.head || !isLoudness()) return;
    state.head.setAttribute("visibility", time === null ? "hidden" : "visible");
    if (time === null) return;
    const x = state.across((time * data.rate) / data.hop);
    state.head.setAttribute("x1", x);
    state.head.setAttribute("x2", x);
  }

  drag(view, ({ x }) => {
    const n = state.across.invert(x * state.width), offset = MIDDLE * state.dilation - options()[1];
    steps.value = Math.round((n - offset) / state.stride);
    show(steps.value);
  });
  const forget = responsive(card, (width) => { state.width = width; changed(); });
  return () => { forget(); steps.stop(); original.stop(); result?.stop(); };
}

export default { render };
