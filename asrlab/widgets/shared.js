// What all widgets share. This text stands in front of each widget's own module (asrlab/widgets/base.py), so its names
// are simply there; a module must not define one of them again. Nothing here touches the page before it is called.
//
//   h(tag, attributes, ...children)       an HTML element;  s(...) the same for SVG. Attributes: onclick: function,
//                                         style: {..}, dataset: {..}, true / false for bare ones; null children are skipped
//   frame(el, {title, help})              the outer card, already in el; append to it
//   slider({label, min, max, step, value, format}, onInput)   -> element; .value reads and sets it (without a call)
//   choice({label, options, value}, onChange)                 -> element; .value. options: ["a", ...] or [["a", "shown"], ...];
//                                         up to four stand side by side, more are a menu
//   checkbox({label, value}, onChange)    -> element; .value
//   field({label, value, maxlength}, onInput)   a line of text -> element; .value
//   button(label, onClick, {kind})        kind "main" (filled) or "quiet"; .textContent changes its label
//   stepper({label, count, value, speed, format, keys}, onStep)   first, back, play, forward, last and a slider over the states
//                                         0 .. count-1 -> element; .value, .count, .speed, .stop(). speed: states a second.
//                                         keys: an element where arrow keys, Home and End step too (it gets a tabindex)
//   player(source, mime)                  source: base64, DataView, or {samples, rate} -> {play(from, to), stop(), time(),
//                                         playing(), onTime, onEnd, button(label, from, to), decode(rate)}; seconds
//   row(...children), note(text)          controls side by side; a line of small text
//   describe(el, text)                    says the current state to a screen reader (aria-live); call it on each change
//   scale([a, b], [c, d])                 x => y, with .invert(y) and .ticks(n)
//   format.number(x, digits) .percent(x, digits) .seconds(x) .hertz(x) .log(x)
//   logAdd(logs)                          log of the sum of what the logarithms stand for; nothing adds up to -Infinity
//   heat(v)                               v in [0, 1] -> [r, g, b] of a spectrogram (black, violet, coral, pale yellow)
//   tint(name, v)                         a CSS colour: v in [0, 1] of the variable ("--sense") on transparent ground
//   heatmap(rows, {label, low, high, colour})   canvas, one pixel for each number of rows[y][x]; row 0 at the bottom
//   axes({width, height, x, y, xlabel, ylabel})  an SVG <g> with a frame, ticks and labels; x and y are scales in pixels
//   responsive(card, draw)                calls draw(width in px) now and whenever the width changes; returns a stop function
//   drag(el, onMove)                      pointer: onMove({x, y, start}) with x and y from 0 to 1 within el
//   calm()                                does the reader want no motion?
//   WIDGET                                the module's name
// Colours: the variables of shared.css (--ink --mute --line --box --paper --sound --sense --good --bad --accent, --c1 .. --c6).

const SVG = "http://www.w3.org/2000/svg";

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style" && typeof value === "object") {
      for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    } else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "value" || name === "checked") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function h(tag, attributes, ...children) {
  return build(document.createElement(tag), attributes, children);
}

export function s(tag, attributes, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

let serial = 0;
function fresh(name) {
  serial += 1;
  return `${WIDGET}-${name}-${serial}-${Math.random().toString(36).slice(2, 8)}`;
}

// Gives an element a `value` of its own; set() draws it, and calls nobody back.
function valued(element, get, set) {
  Object.defineProperty(element, "value", { get, set, configurable: true });
  return element;
}

export function frame(el, { title, help = "" }) {
  el.dataset.widget = WIDGET;
  const heading = fresh("title");
  const card = h("section", { class: "asrlab-widget", role: "group", "aria-labelledby": heading },
    h("div", { class: "aw-title", id: heading }, title),
    help && h("p", { class: "aw-help" }, help));
  el.replaceChildren(card);
  return card;
}

export function row(...children) {
  return h("div", { class: "aw-row" }, ...children);
}

export function note(text) {
  return h("p", { class: "aw-note" }, text);
}

export function describe(el, text) {
  let region = el.querySelector(":scope > .aw-said");
  if (!region) el.append((region = h("div", { class: "aw-said", "aria-live": "polite", role: "status" })));
  if (region.textContent !== text) region.textContent = text;
  return region;
}

export function calm() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

// ---- controls ------------------------------------------------------------------------------------------------------

export function slider({ label, min, max, step = 1, value = min, format: show = (v) => String(v) }, onInput) {
  const shown = h("output", { class: "aw-value" });
  const input = h("input", { type: "range", min, max, step });
  input.value = value;
  const draw = () => {
    shown.textContent = show(Number(input.value));
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => { draw(); onInput?.(Number(input.value)); });
  draw();
  const element = h("label", { class: "aw-control aw-slider" }, h("span", { class: "aw-label" }, label), input, shown);
  return valued(element, () => Number(input.value), (next) => { input.value = next; draw(); });
}

export function choice({ label, options, value }, onChange) {
  const pairs = options.map((one) => (Array.isArray(one) ? one : [one, String(one)]));
  const chosen = value ?? pairs[0][0];
  const pick = (text) => pairs.find(([key]) => String(key) === text)[0];
  if (pairs.length > 4) {
    const select = h("select", { onchange: () => onChange?.(pick(select.value)) },
      pairs.map(([key, shown]) => h("option", { value: String(key) }, shown)));
    select.value = String(chosen);
    const element = h("label", { class: "aw-control" }, h("span", { class: "aw-label" }, label), select);
    return valued(element, () => pick(select.value), (next) => { select.value = String(next); });
  }
  const name = fresh("choice");
  const radios = pairs.map(([key]) => h("input", {
    type: "radio", name, value: String(key), checked: key === chosen, onchange: () => onChange?.(key) }));
  const element = h("fieldset", { class: "aw-control aw-choice" }, h("legend", { class: "aw-label" }, label),
    h("span", { class: "aw-options" }, pairs.map(([, shown], i) => h("label", {}, radios[i], h("span", {}, shown)))));
  return valued(element, () => pick(radios.find((radio) => radio.checked).value),
    (next) => radios.forEach((radio) => { radio.checked = radio.value === String(next); }));
}

export function checkbox({ label, value = false }, onChange) {
  const input = h("input", { type: "checkbox", checked: value, onchange: () => onChange?.(input.checked) });
  const element = h("label", { class: "aw-control aw-check" }, input, h("span", {}, label));
  return valued(element, () => input.checked, (next) => { input.checked = next; });
}

export function field({ label, value = "", maxlength = 200 }, onInput) {
  const input = h("input", { type: "text", value, maxlength, autocomplete: "off", spellcheck: "false",
    oninput: () => onInput?.(input.value) });
  const element = h("label", { class: "aw-control aw-field" }, h("span", { class: "aw-label" }, label), input);
  return valued(element, () => input.value, (next) => { input.value = next; });
}

export function button(label, onClick, { kind = "plain" } = {}) {
  return h("button", { type: "button", class: `aw-button aw-${kind}`, onclick: onClick }, label);
}

const ICONS = {
  first: "M6 5v14M18 5l-7 7 7 7", back: "M15 5l-7 7 7 7", play: "M7 4v16l13-8z", pause: "M8 5v14M16 5v14",
  forward: "M9 5l7 7-7 7", last: "M18 5v14M6 5l7 7-7 7", stop: "M6 6h12v12H6z",
};

function icon(name) {
  return s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "aw-icon" }, s("path", { d: ICONS[name], fill: /z$/.test(ICONS[name]) ? null : "none" }));
}

function iconButton(name, label, onClick) {
  return h("button", { type: "button", class: "aw-button aw-round", "aria-label": label, title: label, onclick: onClick },
    icon(name));
}

export function stepper({ label = "Step", count, value = 0, speed = 2, format: show = null, keys = null }, onStep) {
  let timer = 0, pace = 1;
  const text = (k) => (show ? show(k) : `${k + 1} of ${count}`);
  const output = h("output", { class: "aw-value" });
  const input = h("input", { type: "range", min: 0, max: count - 1, step: 1, "aria-label": label });
  const ends = [
    iconButton("first", "First", () => go(0)), iconButton("back", "Back", () => go(now() - 1)),
    iconButton("forward", "Forward", () => go(now() + 1)), iconButton("last", "Last", () => go(count - 1))];
  const playing = iconButton("play", "Play", () => (timer ? stop() : play()));
  const paces = h("select", { "aria-label": "Speed", onchange: () => { pace = Number(paces.value); if (timer) play(); } },
    [0.5, 1, 2, 4].map((k) => h("option", { value: String(k) }, `${k} ×`)));
  paces.value = "1";
  const now = () => Number(input.value);
  input.value = value;

  function draw() {
    output.textContent = text(now());
    input.setAttribute("aria-valuetext", output.textContent);
    ends.forEach((one, i) => one.setAttribute("aria-disabled", String(i < 2 ? now() === 0 : now() >= count - 1)));
  }
  function go(next, halt = true) {
    if (halt) stop();
    const bounded = Math.max(0, Math.min(count - 1, next));
    const moved = bounded !== now();
    input.value = bounded;
    draw();
    if (moved) onStep?.(bounded);
  }
  function stop() {
    if (timer) clearInterval(timer);
    timer = 0;
    playing.replaceChildren(icon("play"));
    for (const name of ["aria-label", "title"]) playing.setAttribute(name, "Play");
  }
  function play() {
    stop();
    if (now() >= count - 1) go(0);
    timer = setInterval(() => {
      if (!element.isConnected || now() >= count - 1) return stop();
      go(now() + 1, false);
    }, 1000 / (speed * pace));
    playing.replaceChildren(icon("pause"));
    for (const name of ["aria-label", "title"]) playing.setAttribute(name, "Pause");
  }
  function pressed(event) {
    const moves = { ArrowRight: now() + 1, ArrowDown: now() + 1, ArrowLeft: now() - 1, ArrowUp: now() - 1, Home: 0,
      End: count - 1 };
    if (!(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    go(moves[event.key]);
  }
  input.addEventListener("input", () => { stop(); draw(); onStep?.(now()); });
  const element = h("div", { class: "aw-stepper", role: "group", "aria-label": label },
    ends.slice(0, 2), playing, ends.slice(2), input, output, paces);
  element.addEventListener("keydown", (event) => { if (event.target.tagName === "BUTTON") pressed(event); });
  if (keys) {
    if (!keys.hasAttribute("tabindex")) keys.setAttribute("tabindex", "0");
    keys.addEventListener("keydown", pressed);
  }
  element.stop = stop;
  Object.defineProperty(element, "speed", { get: () => speed, set: (next) => { speed = next; } });
  Object.defineProperty(element, "count", {
    get: () => count,
    set: (next) => { stop(); count = next; input.max = next - 1; input.value = Math.min(now(), next - 1); draw(); },
  });
  draw();
  return valued(element, now, (next) => { stop(); input.value = Math.max(0, Math.min(count - 1, next)); draw(); });
}

export function drag(el, onMove) {
  el.style.setProperty("touch-action", "none");
  const tell = (event, start) => {
    const box = el.getBoundingClientRect();
    const within = (k) => Math.max(0, Math.min(1, k));
    onMove({ x: within((event.clientX - box.left) / box.width), y: within((event.clientY - box.top) / box.height), start });
  };
  el.addEventListener("pointerdown", (event) => { el.setPointerCapture(event.pointerId); tell(event, true); });
  el.addEventListener("pointermove", (event) => { if (el.hasPointerCapture(event.pointerId)) tell(event, false); });
}

// ---- sound ---------------------------------------------------------------------------------------------------------

const SOUND_STARTS = "asrlab-sound"; // told on the document, so that one sound stops another of any widget
let speakers = null; // one way out for all sounds of this widget, made at the first press: browsers insist on that

function bytesOf(base64) {
  const text = atob(base64);
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer;
}

export function player(source, mime = "audio/flac") {
  let decoded = null, voice = null, began = 0, offset = 0, until = 0, ticket = 0;
  let release = null; // tells the button whose sound was playing that it no longer does
  const self = { onTime: null, onEnd: null, play, stop, time, decode, button: playButton, playing: () => voice !== null, mime };

  // The sound as an AudioBuffer; at `rate` Hz its samples are exactly those that were encoded.
  async function decode(rate) {
    if (source?.samples) {
      const buffer = new AudioBuffer({ length: source.samples.length, numberOfChannels: 1, sampleRate: source.rate });
      buffer.copyToChannel(Float32Array.from(source.samples), 0);
      return buffer;
    }
    const bytes = typeof source === "string" ? bytesOf(source)
      : source.buffer.slice(source.byteOffset, source.byteOffset + source.byteLength);
    return new OfflineAudioContext(1, 1, rate ?? 48000).decodeAudioData(bytes);
  }
  // Resolves to true when the sound has begun; throws an Error with a message for the reader when it cannot.
  async function play(from = 0, to = Infinity) {
    stop();
    document.dispatchEvent(new CustomEvent(SOUND_STARTS, { detail: self }));
    for (const other of document.querySelectorAll("audio")) other.pause();
    const mine = (ticket += 1);
    try {
      speakers ??= new AudioContext();
      const [buffer] = await Promise.all([(decoded ??= decode()), speakers.resume()]);
      if (mine !== ticket) return false;
      offset = Math.max(0, Math.min(from, buffer.duration));
      until = Math.min(to, buffer.duration);
      const gain = new GainNode(speakers), length = Math.max(0.01, until - offset), fade = Math.min(0.005, length / 4);
      voice = new AudioBufferSourceNode(speakers, { buffer });
      began = speakers.currentTime + 0.02;
      gain.gain.setValueAtTime(0, began); // soft edges: a cut in the middle of a wave would click
      gain.gain.linearRampToValueAtTime(1, began + fade);
      gain.gain.setValueAtTime(1, began + length - fade);
      gain.gain.linearRampToValueAtTime(0, began + length);
      voice.connect(gain).connect(speakers.destination);
      voice.start(began, offset, length);
      voice.onended = () => { if (mine === ticket) stop(); };
      follow(mine);
      return true;
    } catch (error) {
      decoded = null;
      throw new Error("This browser cannot play the sound.", { cause: error });
    }
  }
  function follow(mine) {
    if (mine !== ticket || !voice) return;
    self.onTime?.(time());
    requestAnimationFrame(() => follow(mine));
  }
  // Seconds into the sound while it plays, else null.
  function time() {
    return voice ? Math.max(offset, Math.min(until, offset + speakers.currentTime - began)) : null;
  }
  function stop() {
    ticket += 1;
    release?.();
    release = null;
    if (!voice) return;
    voice.onended = null;
    voice.stop();
    voice = null;
    self.onEnd?.();
  }
  // A button that plays a stretch, stops it at a second press, and says so if the browser cannot.
  function playButton(label = "Hear it", from = 0, to = Infinity) {
    const words = h("span", {}, label);
    const element = h("button", { type: "button", class: "aw-button aw-hear" }, icon("play"), words);
    let mine = false;
    const show = (on) => { mine = on; element.replaceChildren(icon(on ? "stop" : "play"), words); };
    element.addEventListener("click", async () => {
      if (mine) return stop();
      try {
        const going = play(from, to);
        show(true);
        release = () => show(false);
        await going;
      } catch (error) {
        stop();
        words.textContent = error.message;
        console.warn(error.cause);
      }
    });
    return element;
  }
  if (typeof document !== "undefined") {
    document.addEventListener(SOUND_STARTS, (/** @type {CustomEvent} */ event) => { if (event.detail !== self) stop(); });
  }
  return self;
}

// ---- numbers and pictures ------------------------------------------------------------------------------------------

export function scale([a, b], [c, d]) {
  const map = (x) => c + ((x - a) / (b - a || 1)) * (d - c);
  map.invert = (y) => a + ((y - c) / (d - c || 1)) * (b - a);
  map.domain = [a, b];
  map.range = [c, d];
  map.ticks = (n = 5) => {
    const rough = Math.abs(b - a) / Math.max(1, n), power = 10 ** Math.floor(Math.log10(rough || 1));
    const step = [1, 2, 5, 10].find((k) => k * power >= rough * 0.999) * power;
    const low = Math.ceil(Math.min(a, b) / step - 1e-9), high = Math.floor(Math.max(a, b) / step + 1e-9);
    return Array.from({ length: Math.max(0, high - low + 1) }, (_, k) => Number(((low + k) * step).toPrecision(12)));
  };
  return map;
}

const MINUS = "\u2212";
export const format = {
  number: (x, digits = 2) => (Number.isFinite(x) ? x.toFixed(digits).replace(/^-(?=.*[1-9])/, MINUS).replace(/^-/, "")
    : Number.isNaN(x) ? "–" : (x < 0 ? MINUS : "") + "∞"),
  percent: (x, digits = 0) => `${format.number(100 * x, digits)} %`,
  seconds: (x) => `${format.number(x, 2)} s`,
  hertz: (x) => (Math.abs(x) >= 1000 ? `${format.number(x / 1000, 1)} kHz` : `${format.number(x, 0)} Hz`),
  log: (x) => format.number(x, 1), // a log-probability, nats
};

export function logAdd(logs) {
  const largest = Math.max(-Infinity, ...logs);
  if (largest === -Infinity) return -Infinity;
  return largest + Math.log(logs.reduce((sum, one) => sum + Math.exp(one - largest), 0));
}

const HEAT = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97],
  [254, 194, 135], [252, 253, 191]];

export function heat(v) {
  const place = Math.max(0, Math.min(1, v)) * (HEAT.length - 1), k = Math.min(HEAT.length - 2, Math.floor(place));
  return HEAT[k].map((low, i) => Math.round(low + (place - k) * (HEAT[k + 1][i] - low)));
}

export function tint(name, v) {
  return `color-mix(in srgb, var(${name}) ${(100 * Math.max(0, Math.min(1, v))).toFixed(1)}%, transparent)`;
}

export function heatmap(rows, { label = null, low = 0, high = 1, colour = heat } = {}) {
  const height = rows.length, width = rows[0]?.length ?? 0;
  const canvas = h("canvas", { class: "aw-heatmap", role: "img", "aria-label": label });
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  const brush = canvas.getContext("2d"), image = brush.createImageData(canvas.width, canvas.height);
  const table = Array.from({ length: 256 }, (_, k) => colour(k / 255)); // [r, g, b] or [r, g, b, a]
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const share = (rows[y][x] - low) / (high - low || 1);
      const [r, g, b, a = 255] = table[Math.round(255 * Math.max(0, Math.min(1, share)))];
      image.data.set([r, g, b, a], 4 * ((height - 1 - y) * canvas.width + x));
    }
  }
  brush.putImageData(image, 0, 0);
  return canvas;
}

export function axes({ width, height, x, y, xlabel = "", ylabel = "", xformat = (v) => String(v), yformat = (v) => String(v), grid = true }) {
  const [left, right] = x.range, [bottom, top] = y.range;
  const across = x.ticks(Math.max(2, Math.floor((right - left) / 80))), up = y.ticks(Math.max(2, Math.floor((bottom - top) / 45)));
  return s("g", { class: "aw-axes" },
    up.map((v) => [grid && s("line", { class: "aw-grid", x1: left, x2: right, y1: y(v), y2: y(v) }),
      s("text", { x: left - 6, y: y(v), "text-anchor": "end", "dominant-baseline": "middle" }, yformat(v))]),
    across.map((v) => [s("line", { class: "aw-tick", x1: x(v), x2: x(v), y1: bottom, y2: bottom + 4 }),
      s("text", { x: x(v), y: bottom + 17, "text-anchor": "middle" }, xformat(v))]),
    s("line", { class: "aw-tick", x1: left, x2: right, y1: bottom, y2: bottom }),
    xlabel && s("text", { x: (left + right) / 2, y: Math.min(height - 3, bottom + 34), "text-anchor": "middle" }, xlabel),
    ylabel && s("text", { x: Math.min(left, width), y: Math.max(11, top - 9), "text-anchor": "start" }, ylabel));
}

export function responsive(card, draw) {
  let last = 0;
  const inner = () => {
    const look = getComputedStyle(card);
    return Math.floor(card.clientWidth - parseFloat(look.paddingLeft || "0") - parseFloat(look.paddingRight || "0"));
  };
  const look = () => {
    const width = inner();
    if (width > 0 && width !== last) draw((last = width));
  };
  const watcher = new ResizeObserver(look);
  watcher.observe(card);
  look();
  return () => watcher.disconnect();
}
