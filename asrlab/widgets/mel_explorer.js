// Sound to mel picture, every step adjustable: windows, Fourier transform, triangular filters, logarithm, and back to a
// sound. The arithmetic is that of asrlab/signals/features.py and scratch/front_end.py; tests/widgets/test_mel_explorer.py
// holds them equal. A picture is computed in slices of a few milliseconds, so that the page never waits for it.

const FLOOR = 1e-8; // least power in a band, as in FrontEndOptions
const LOWEST = 20; // Hz, edge of the lowest filter
const RANGE = 9; // nats below the loudest that are still told apart from black, as on the listening cards
const SLICE = 12; // ms of work before the page may do something else
const ROUNDS = 10; // of guessing the phases, when a sound is made of a picture

// ---- arithmetic ------------------------------------------------------------------------------------------------------

export function windowOf(shape, W) {
  const arch = (a, b) => Array.from({ length: W }, (_, n) => a - b * Math.cos((2 * Math.PI * n) / W));
  return { hann: () => arch(0.5, 0.5), hamming: () => arch(0.54, 0.46), rectangular: () => arch(1, 0) }[shape]();
}

const tables = new Map(); // size -> [cosines, sines, bit-reversed order]
function tableOf(n) {
  if (!tables.has(n)) {
    const angle = (k) => (2 * Math.PI * k) / n, order = new Uint32Array(n);
    for (let i = 1, half = n >> 1; i < n; i += 1) order[i] = (order[i >> 1] >> 1) | (i & 1 ? half : 0);
    tables.set(n, [Float64Array.from({ length: n / 2 }, (_, k) => Math.cos(angle(k))),
      Float64Array.from({ length: n / 2 }, (_, k) => Math.sin(angle(k))), order]);
  }
  return tables.get(n);
}

// Cooley and Tukey's transform in place: X[k] = sum of x[n] exp(sign 2 pi i k n / N), N a power of two.
export function fft(re, im, sign = -1) {
  const n = re.length, [cos, sin, order] = tableOf(n);
  for (let i = 0; i < n; i += 1) {
    const j = order[i];
    if (j > i) { [re[i], re[j]] = [re[j], re[i]]; [im[i], im[j]] = [im[j], im[i]]; }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2, stride = n / size;
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < half; k += 1) {
        const c = cos[k * stride], d = sign * sin[k * stride], a = start + k, b = a + half;
        const x = re[b] * c - im[b] * d, y = re[b] * d + im[b] * c;
        re[b] = re[a] - x; im[b] = im[a] - y; re[a] += x; im[a] += y;
      }
    }
  }
  return [re, im];
}

const hzToMel = (f) => 2595 * Math.log10(1 + f / 700);
const melToHz = (m) => 700 * (10 ** (m / 2595) - 1);

// The triangles, each as its first bin and its weights from there on; one that falls between two bins has none.
export function melFilters(bands, points, rate) {
  const low = hzToMel(LOWEST), step = (hzToMel(rate / 2) - low) / (bands + 1);
  const edges = Array.from({ length: bands + 2 }, (_, m) => melToHz(low + m * step));
  return Array.from({ length: bands }, (_, m) => {
    const [a, b, c] = edges.slice(m, m + 3), first = Math.floor((a * points) / rate) + 1, weights = [];
    for (let k = first; k <= points / 2 && (k * rate) / points < c; k += 1) {
      const f = (k * rate) / points;
      weights.push(Math.max(0, Math.min((f - a) / (b - a), (c - f) / (c - b))));
    }
    return { first, weights, low: a, centre: b, high: c };
  });
}

// Sizes in samples of what the settings name in milliseconds.
export function sizes({ window, hop }, rate) {
  const W = Math.round((window * rate) / 1000), H = Math.round((hop * rate) / 1000);
  return { W, H, points: 2 ** Math.ceil(Math.log2(W)) };
}

export function emphasised(samples, a) {
  return Float64Array.from(samples, (x, n) => x - (a && n ? a * samples[n - 1] : 0));
}

// The power (Float64Array, K + 1) of the frame that begins at sample `start`.
function powerAt(samples, start, window, points) {
  const re = new Float64Array(points), im = new Float64Array(points);
  for (let n = 0; n < window.length; n += 1) re[n] = window[n] * samples[start + n];
  fft(re, im);
  const power = new Float64Array(points / 2 + 1);
  for (let k = 0; k < power.length; k += 1) power[k] = re[k] * re[k] + im[k] * im[k];
  return power;
}

function through(power, filters) {
  return Float64Array.from(filters, ({ first, weights }) => {
    let sum = 0;
    for (let i = 0; i < weights.length; i += 1) sum += weights[i] * power[first + i];
    return sum;
  });
}

// Analyses `samples`, pausing now and then; the result has `power` and `bands`, an array for each frame.
export function* analysis(samples, rate, settings) {
  const { W, H, points } = sizes(settings, rate), window = windowOf(settings.shape, W);
  const x = emphasised(samples, settings.emphasis), T = Math.max(0, 1 + Math.floor((x.length - W) / H));
  const filters = settings.scale === "mel" ? melFilters(settings.bands, points, rate) : null;
  const power = [], bands = [];
  for (let t = 0; t < T; t += 1) {
    power.push(powerAt(x, t * H, window, points));
    bands.push(filters ? through(power[t], filters) : power[t]);
    yield t / T;
  }
  return { W, H, points, window, filters, emphasised: x, power, bands };
}

function finish(steps) {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

// What is drawn: (T, F) power in each band, or its logarithm.
export function features(samples, rate, settings) {
  return finish(analysis(samples, rate, settings)).bands.map((row) =>
    Array.from(row, (p) => (settings.log ? Math.log(Math.max(p, FLOOR)) : p)));
}

// A power for each bin again: every filter spreads what it holds evenly over its triangle.
export function spread(row, filters, bins) {
  const power = new Float64Array(bins), weight = new Float64Array(bins);
  filters.forEach(({ first, weights }, m) => {
    const area = weights.reduce((a, b) => a + b, 0);
    weights.forEach((w, i) => { power[first + i] += (w * row[m]) / area; weight[first + i] += w; });
  });
  return power.map((p, k) => (weight[k] > 0 ? p / weight[k] : 0));
}

// A sound whose spectra have these powers: phases drawn at random, then made to agree with each other, round by round
// (Griffin and Lim 1984). Frames that are too far apart to overlap are lengthened.
export function* rebuilding(power, W, H, rounds = ROUNDS) {
  const length = Math.max(W, 2 * H), points = 2 ** Math.ceil(Math.log2(length)), bins = points / 2 + 1;
  const window = windowOf("hann", length), N = (power.length - 1) * H + length, ratio = (power[0].length - 1) / (bins - 1);
  let seed = 1;
  const random = () => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed / 2147483648; };
  let x = null;
  for (let round = 0; round <= rounds; round += 1) {
    const sum = new Float64Array(N), weight = new Float64Array(N);
    for (let t = 0; t < power.length; t += 1) {
      const re = new Float64Array(points), im = new Float64Array(points);
      if (x) {
        for (let n = 0; n < length; n += 1) re[n] = window[n] * x[t * H + n];
        fft(re, im);
      }
      for (let k = 0; k < bins; k += 1) {
        const size = Math.sqrt(power[t][Math.round(k * ratio)]), angle = 2 * Math.PI * random();
        const now = x ? Math.hypot(re[k], im[k]) || 1 : 1;
        [re[k], im[k]] = x ? [(size * re[k]) / now, (size * im[k]) / now] : [size * Math.cos(angle), size * Math.sin(angle)];
        if (k > 0 && k < points / 2) { re[points - k] = re[k]; im[points - k] = -im[k]; } else im[k] = 0;
      }
      fft(re, im, 1);
      for (let n = 0; n < length; n += 1) {
        sum[t * H + n] += (window[n] * re[n]) / points;
        weight[t * H + n] += window[n] ** 2;
      }
      yield (round + t / power.length) / (rounds + 1);
    }
    x = sum.map((value, n) => value / Math.max(weight[n], 0.01));
  }
  return x;
}

export function rebuilt(power, W, H, rounds) {
  return Array.from(finish(rebuilding(power, W, H, rounds)));
}

// Frequencies, in Hz, of the peaks of a spectrum that reach to within 15 dB of the highest, at most `most` of them.
export function peaks(power, rate, most = 4) {
  const highest = Math.max(...power), bin = rate / 2 / (power.length - 1), found = [];
  for (let k = 1; k < power.length - 1; k += 1) {
    if (power[k] > highest / 31.6 && power[k] > power[k - 1] && power[k] >= power[k + 1]) found.push([power[k], k * bin]);
  }
  return found.sort((a, b) => b[0] - a[0]).slice(0, most).map(([, f]) => f).sort((a, b) => a - b);
}

// ---- the page --------------------------------------------------------------------------------------------------------

const palette = Uint32Array.from({ length: 256 }, (_, k) => {
  const [r, g, b] = heat(k / 255);
  return (255 << 24) | (b << 16) | (g << 8) | r;
});

function paint(canvas, bands, log) {
  const T = bands.length, F = bands[0].length;
  let most = FLOOR;
  for (const row of bands) for (const p of row) if (p > most) most = p;
  canvas.width = T;
  canvas.height = F;
  const brush = canvas.getContext("2d"), image = brush.createImageData(T, F), pixels = new Uint32Array(image.data.buffer);
  const top = Math.log(most);
  for (let t = 0; t < T; t += 1) {
    for (let f = 0; f < F; f += 1) {
      const p = bands[t][f], v = log ? 1 + (Math.log(Math.max(p, FLOOR)) - top) / RANGE : p / most;
      pixels[(F - 1 - f) * T + t] = palette[Math.max(0, Math.min(255, Math.round(255 * v)))];
    }
  }
  brush.putImageData(image, 0, 0);
}

// The samples as a closed outline in an SVG of `width` by 2, y from -1 to 1 of the loudest.
function outline(samples, width) {
  const loudest = samples.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-9), upper = [], lower = [];
  for (let x = 0; x < width; x += 1) {
    const part = samples.slice(Math.floor((x * samples.length) / width), Math.ceil(((x + 1) * samples.length) / width));
    upper.push(`${x} ${(-Math.max(...part) / loudest).toFixed(2)}`);
    lower.push(`${x} ${(0.01 - Math.min(...part) / loudest).toFixed(2)}`);
  }
  return `M${upper.concat(lower.reverse()).join("L")}Z`;
}

const line = (points) => `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
const VIEW = { width: 340, height: 170 };

function render({ model, el }) {
  const { sounds, rate } = model.get("data");
  const state = { window: 25, hop: 10, shape: "hann", bands: 80, scale: "mel", log: true, emphasis: 0, at: 0.35, sound: 0 };
  let job = 0, result = null, sound = null, made = null, players = [];
  const seconds = () => (sound ? sound.length / rate : 1);
  const card = frame(el, {
    title: "From sound to features",
    help: "Choose a sound, change the machine, move along the picture. Everything is computed here, as you move.",
  });

  const set = (name) => (value) => { state[name] = value; compute(); };
  const ms = (x) => `${x} ms`;
  const controls = {
    window: slider({ label: "Window", min: 5, max: 64, value: 25, format: ms }, set("window")),
    hop: slider({ label: "Hop", min: 2, max: 20, value: 10, format: ms }, set("hop")),
    bands: slider({ label: "Mel bands", min: 8, max: 128, value: 80 }, set("bands")),
    shape: choice({ label: "Window shape", options: [["hann", "Hann"], ["hamming", "Hamming"], ["rectangular", "rectangle"]],
      value: "hann" }, set("shape")),
    scale: choice({ label: "Frequencies", options: [["mel", "mel bands"], ["linear", "all bins"]], value: "mel" }, set("scale")),
    log: checkbox({ label: "logarithm", value: true }, set("log")),
    emphasis: checkbox({ label: "pre-emphasis", value: false }, (on) => { state.emphasis = on ? 0.97 : 0; compute(); }),
  };
  const which = choice({ label: "Sound", options: sounds.map(({ name }, k) => [k, name]), value: 0 }, pick);
  const hear = h("span", { class: "me-hear" }), rebuildButton = button("Hear what the picture keeps", rebuild);
  rebuildButton.classList.add("aw-hear");
  const wave = s("svg", { class: "me-wave", viewBox: "0 -1 300 2", preserveAspectRatio: "none", "aria-hidden": "true" });
  const canvas = h("canvas", { class: "me-picture", role: "img", "aria-label": "the picture" });
  const here = h("span", { class: "me-here", "aria-hidden": "true" }), spot = h("span", { class: "me-here", "aria-hidden": "true" });
  const ticks = h("div", { class: "me-ticks", "aria-hidden": "true" });
  const plane = h("div", { class: "me-plane" }, canvas, here);
  const along = slider({ label: "Look at", min: 0, max: 1000, value: 350, format: (k) => format.seconds((k / 1000) * seconds()) },
    (k) => move(k / 1000));
  const cut = s("svg", { viewBox: `0 0 ${VIEW.width} ${VIEW.height}`, role: "img" });
  const spectrum = s("svg", { viewBox: `0 0 ${VIEW.width} ${VIEW.height}`, role: "img" });
  const facts = h("p", { class: "aw-note me-facts" }), found = h("p", { class: "aw-note me-found" });
  card.append(row(which, h("span", { class: "me-hear" }, hear, rebuildButton)),
    h("div", { class: "me-stage aw-sticky" }, h("span"), h("div", { class: "me-plane" }, wave, spot), ticks, plane),
    facts, row(along), h("div", { class: "me-pair" }, cut, spectrum), found,
    row(controls.window, controls.hop, controls.bands), row(controls.shape, controls.scale, controls.log, controls.emphasis));
  drag(plane, ({ x }) => { along.value = Math.round(1000 * x); move(x); });
  plane.style.setProperty("touch-action", "pan-y");

  async function pick(k) {
    state.sound = k;
    const clip = player(sounds[k].flac, "audio/flac");
    players.forEach((one) => one.stop());
    players = [clip];
    const piece = clip.button("Hear this place");
    piece.addEventListener("click", (event) => {
      event.stopImmediatePropagation();
      const middle = state.at * seconds();
      clip.play(Math.max(0, middle - 0.12), middle + 0.12).catch((error) => { facts.textContent = error.message; });
    }, { capture: true });
    hear.replaceChildren(clip.button("Hear it"), piece);
    try {
      sound = (await clip.decode(rate)).getChannelData(0);
    } catch {
      facts.textContent = "This browser cannot read the sound; another browser may.";
      return;
    }
    if (state.sound !== k) return;
    wave.replaceChildren(s("path", { d: outline(sound, 300), fill: "var(--sound)" }));
    along.value = along.value;
    compute();
  }

  // Runs a generator in slices; resolves to its result, or to null when another job has begun meanwhile.
  async function inSlices(steps, mine, progress) {
    for (;;) {
      const until = performance.now() + SLICE;
      while (performance.now() < until) {
        const { done, value } = steps.next();
        if (done) return value;
        state.done = value;
      }
      progress?.(state.done);
      await new Promise((go) => setTimeout(go));
      if (mine !== job) return null;
    }
  }

  async function compute() {
    if (!sound) return;
    const mine = (job += 1);
    made?.stop();
    made = null;
    rebuildButton.textContent = "Hear what the picture keeps";
    controls.bands.classList.toggle("me-off", state.scale !== "mel");
    const next = await inSlices(analysis(sound, rate, { ...state }), mine);
    if (!next || mine !== job) return;
    result = next;
    paint(canvas, result.bands, state.log);
    drawTicks();
    const T = result.bands.length, F = result.bands[0].length, empty = result.filters?.filter((one) => !one.weights.some(Boolean));
    const warn = empty?.length ? ` ${empty.length} of the filters are narrower than the ${format.number(rate / result.points, 0)} Hz`
      + " between two bins and catch nothing: lengthen the window, or take fewer bands." : "";
    facts.textContent = `${T} frames of ${F} numbers: ${Math.round((1000 / state.hop) * F).toLocaleString("en")} numbers a second,`
      + ` out of ${rate.toLocaleString("en")} samples. A window of ${state.window} ms tells apart what is about`
      + ` ${Math.round(({ rectangular: 1, hann: 2, hamming: 2 }[state.shape] * 1000) / state.window)} Hz apart.${warn}`;
    canvas.setAttribute("aria-label", `${state.scale === "mel" ? "Mel" : "Linear"} spectrogram of ${sounds[state.sound].name}: `
      + `${T} frames from left to right, ${F} bands from low to high`);
    move(state.at);
  }

  function drawTicks() {
    const top = hzToMel(rate / 2), low = hzToMel(LOWEST), mel = state.scale === "mel";
    ticks.replaceChildren(...[250, 500, 1000, 2000, 4000, rate / 2].filter((f) => mel || f >= 1000).map((f) => h("span", {
      style: { bottom: `${100 * (mel ? (hzToMel(f) - low) / (top - low) : (2 * f) / rate)}%` } }, format.hertz(f))));
  }

  function move(at) {
    state.at = at;
    if (!result) return;
    const { W, H } = result, T = result.bands.length;
    const t = Math.max(0, Math.min(T - 1, Math.round((at * sound.length - W / 2) / H)));
    for (const mark of [here, spot]) {
      mark.style.left = `${(100 * t) / T}%`;
      mark.style.width = `max(2px, ${100 / T}%)`;
    }
    spot.style.left = `${(100 * t * H) / sound.length}%`;
    spot.style.width = `${(100 * W) / sound.length}%`;
    drawCut(t);
    drawSpectrum(t);
  }

  // 70 ms of the wave with the window over it.
  function drawCut(t) {
    const { W, H, window, emphasised: x } = result, reach = Math.round(0.07 * rate), start = t * H, from = start + W / 2 - reach / 2;
    const across = scale([0, 70], [34, VIEW.width - 6]), part = [], arch = [];
    let loudest = 1e-6;
    for (let n = 0; n < reach; n += 1) loudest = Math.max(loudest, Math.abs(x[Math.round(from + n)] ?? 0));
    const up = scale([-loudest, loudest], [VIEW.height - 34, 22]);
    for (let n = 0; n < reach; n += 1) part.push([across((1000 * n) / rate), up(x[Math.round(from + n)] ?? 0)]);
    for (let n = 0; n <= W; n += 1) {
      arch.push([across((1000 * (n + reach / 2 - W / 2)) / rate), up(loudest * (window[n] ?? window[0]))]);
    }
    const base = up(0), closed = [[arch[0][0], base], ...arch, [arch.at(-1)[0], base]];
    cut.setAttribute("aria-label", `The wave around ${format.seconds((start + W / 2) / rate)}, under a window of ${state.window} ms`);
    cut.replaceChildren(
      axes({ ...VIEW, x: across, y: up, ylabel: "wave and window", xlabel: "ms", yformat: () => "", grid: false }),
      s("path", { d: line(closed), fill: tint("--sense", 0.22), stroke: "var(--sense)", "stroke-width": 1.5 }),
      s("path", { d: line(part), fill: "none", stroke: "var(--sound)", "stroke-width": 1.2 }));
  }

  // The frame's spectrum, in dB below its highest point, and what the bands make of it.
  function drawSpectrum(t) {
    const power = result.power[t], bands = result.bands[t], most = Math.max(FLOOR, ...power);
    const db = (p) => Math.max(-80, 10 * Math.log10(Math.max(p, 1e-30) / most));
    const across = scale([0, rate / 2000], [34, VIEW.width - 6]), up = scale([-80, 0], [VIEW.height - 34, 22]);
    const curve = Array.from(power, (p, k) => [across((k * rate) / result.points / 1000), up(db(p))]);
    const stairs = [];
    result.filters?.forEach(({ weights, low, high }, m) => {
      const area = weights.reduce((a, b) => a + b, 0), y = up(area > 0 ? db(bands[m] / area) : -80), quarter = (high - low) / 4;
      stairs.push([across((low + quarter) / 1000), y], [across((high - quarter) / 1000), y]);
    });
    spectrum.setAttribute("aria-label", "Spectrum of this frame, in decibels below its highest point");
    spectrum.replaceChildren(
      axes({ ...VIEW, x: across, y: up, ylabel: "spectrum of this frame, dB", xlabel: "kHz", yformat: (v) => format.number(v, 0) }),
      s("path", { d: line(curve), fill: "none", stroke: "var(--sound)", "stroke-width": 1.2 }),
      stairs.length ? s("path", { d: line(stairs), fill: "none", stroke: "var(--sense)", "stroke-width": 2 }) : "");
    const strong = most > FLOOR ? peaks(power, rate) : [];
    found.textContent = strong.length ? `Strongest here: ${strong.map((f) => `${Math.round(f)} Hz`).join(", ")}.` : "Silence here.";
  }

  async function rebuild() {
    if (!result) return;
    if (made) return made.playing() ? made.stop() : play();
    const mine = (job += 1), { W, H, filters, bands, power } = result;
    const kept = filters ? bands.map((one) => spread(one, filters, power[0].length)) : power;
    const x = await inSlices(rebuilding(kept, W, H), mine,
      (done) => { rebuildButton.textContent = `Rebuilding, ${Math.round(100 * done)} %`; });
    if (!x) return;
    if (state.emphasis) for (let n = 1; n < x.length; n += 1) x[n] += state.emphasis * x[n - 1];
    const loudest = (y) => y.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9), gain = loudest(sound) / loudest(x);
    made = player({ samples: x.map((value) => gain * value), rate });
    players.push(made);
    rebuildButton.textContent = "Hear what the picture keeps";
    describe(card, "The sound was rebuilt from the picture.");
    return play();
  }

  async function play() {
    try {
      await made.play();
    } catch (error) {
      rebuildButton.textContent = error.message;
    }
  }

  pick(0);
  return () => { job += 1; players.forEach((one) => one.stop()); };
}

export default { render };
