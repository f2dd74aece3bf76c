// Which frames a decoder listened to when it wrote each letter. The arithmetic is that of asrlab/widgets/attention_map.py;
// tests/widgets/test_attention_map.py holds the two equal.

const FLOOR = -30; // nats below 1 at which a weight counts as nothing
const ROW = 17; // pixels of a letter in the map
const SOUND_HEIGHT = 96; // pixels of the spectrogram
const GUTTER = 34; // pixels for the letters at the left
const SHOWN = 5; // letters to choose from

export function softmax(scores) {
  const largest = Math.max(...scores), e = scores.map((x) => Math.exp(x - largest));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / total);
}

// The weights of one letter, made sharper or flatter, then looking `shift` frames later.
export function weights(scores, sharpness, shift) {
  return softmax(scores.map((_, t) => sharpness * (scores[t - shift] ?? FLOOR)));
}

// Probabilities of the next token: what the state says, and what it heard with these weights.
export function choices(said, adds, alpha) {
  return softmax(said.map((score, v) => alpha.reduce((sum, weight, t) => sum + weight * adds[t][v], score)));
}

// First and last frame around the largest weight that hold `share` of the weight together.
export function stretch(alpha, share) {
  let first = alpha.indexOf(Math.max(...alpha)), last = first, held = alpha[first];
  while (held < share - 1e-9 && last - first + 1 < alpha.length) {
    const before = first > 0 ? alpha[first - 1] : -1, after = last + 1 < alpha.length ? alpha[last + 1] : -1;
    if (before > after) first -= 1;
    else last += 1;
    held += Math.max(before, after);
  }
  return [first, last];
}

const seconds = (x) => format.number(x, 2);

// The weights of all letters as a picture with a pixel for each: white, more opaque with more weight. It masks a coloured
// ground, so that the page's colours hold; thousands of elements, one for each weight, would take a phone too long.
function pictureOf(alpha) {
  return heatmap([...alpha].reverse(), { label: "", colour: (v) => [255, 255, 255, v < 0.01 ? 0 : Math.round(255 * Math.sqrt(v))] })
    .toDataURL();
}

let masks = 0; // each map of a page needs its own

function render({ model, el }) {
  const data = model.get("data");
  const card = frame(el, {
    title: "What did it hear when it wrote this letter?",
    help: "Point at a letter, or step with the arrow keys: its frames stay bright. Press it, and you hear them.",
  });
  const state = { recording: 0, letter: data.letter, sharpness: 1, shift: 0, width: 0 };
  const now = () => data.recordings[state.recording];
  const plain = (v) => data.tokens[v].replace(data.mark, "");
  const named = (v) => (v === 0 ? "the end" : data.tokens[v].startsWith(data.mark) ? `${plain(v)}, first of a word,` : plain(v));
  let sound = null;

  const menu = data.recordings.length < 2 ? null : choice({ label: "Voice",
    options: data.recordings.map((one, k) => [k, one.name]), value: 0 }, (k) => { state.recording = k; state.letter = 0; open(); });
  const line = h("div", { class: "am-line", role: "group", "aria-label": "What was written; each letter is a button" });
  const box = h("div", { class: "am-map aw-sticky", role: "group", "aria-label": "Attention map; arrow keys step through the letters" });
  const steps = stepper({ label: "Letter", count: 2, speed: 2, keys: box,
    format: (u) => `${u + 1} of ${now().tokens.length}` }, (u) => focus(u));
  const hear = h("div", { class: "aw-row" });
  const sharp = slider({ label: "Sharpness: factor on the scores", min: 0, max: 4, step: 0.1, value: 1,
    format: (x) => (x === 1 ? "1, as learned" : format.number(x, 1)) }, (x) => { state.sharpness = x; recompute(); });
  const aside = slider({ label: "Look aside", min: -12, max: 12, step: 1, value: 0,
    format: (n) => (n === 0 ? "no" : `${seconds(Math.abs(n) * data.frame)} s ${n < 0 ? "earlier" : "later"}`) },
  (n) => { state.shift = n; recompute(); });
  const back = button("As learned", () => { sharp.value = 1; aside.value = 0; Object.assign(state, { sharpness: 1, shift: 0 }); recompute(); });
  const bars = h("ol", { class: "am-bars", "aria-label": "Letters that it would choose from here" });
  const caption = h("p", { class: "am-caption" });
  card.append(...[menu, line, box, steps, row(sharp, aside, back), hear, caption, bars].filter(Boolean),
    note("Rows are letters, ■ the end of the text; columns are frames of 40 ms. The stronger the colour, the more weight. The dots show "
      + "where the same model's CTC head places each letter. The sliders change where it looks for the letter under the eye, not what it had written before."));

  function open() {
    const one = now();
    sound?.stop();
    sound = player(one.sound, "audio/flac");
    sound.onTime = (time) => playhead(time);
    sound.onEnd = () => playhead(null);
    hear.replaceChildren(button("Hear these frames", () => hearLetter(), { kind: "main" }), sound.button("Hear all of it"));
    state.buttons = one.tokens.map((v, u) => h("button", { type: "button", class: "am-letter", "aria-label": named(v),
      onclick: () => { focus(u); hearLetter(); }, onfocus: () => focus(u),
      onpointerenter: (event) => event.pointerType === "mouse" && focus(u) }, v === 0 ? "■" : plain(v)));
    const words = [];
    one.tokens.forEach((v, u) => {
      if (v === 0 || data.tokens[v].startsWith(data.mark) || words.length === 0) words.push(h("span", { class: "am-word" }));
      words.at(-1).append(state.buttons[u]);
    });
    line.replaceChildren(...words);
    steps.count = one.tokens.length;
    state.letter = Math.min(state.letter, one.tokens.length - 1);
    if (state.width) draw(state.width);
    recompute();
  }

  function hearLetter() {
    const [first, last] = stretch(state.alpha[state.letter], 0.8), middle = ((first + last + 1) / 2) * data.frame;
    const half = Math.max(0.08, ((last - first + 1) / 2) * data.frame);
    sound.play(middle - half, middle + half).catch((error) => { caption.textContent = error.message; });
  }

  function focus(u) {
    if (u === state.letter) return;
    state.letter = u;
    show();
  }

  function recompute() {
    state.alpha = now().scores.map((scores) => weights(scores, state.sharpness, state.shift));
    state.cells?.setAttribute("href", pictureOf(state.alpha));
    show();
  }

  function draw(width) {
    state.width = width;
    const one = now(), T = one.scores[0].length, U = one.tokens.length, each = (width - GUTTER) / T;
    const top = SOUND_HEIGHT + 10, height = top + U * ROW + 30;
    const x = scale([0, T * data.frame], [GUTTER, width]);
    state.shades = Array.from({ length: T }, (_, t) => s("rect", { x: GUTTER + t * each, y: 0, width: each + 0.3,
      height: SOUND_HEIGHT, class: "am-shade" }));
    const map = { x: GUTTER, y: top, width: width - GUTTER, height: U * ROW }, mask = `am-mask-${(masks += 1)}`;
    state.cells = s("image", { ...map, preserveAspectRatio: "none", class: "am-pixels" });
    state.labels = one.tokens.map((v, u) => s("text", { x: GUTTER - 8, y: top + (u + 0.5) * ROW, "text-anchor": "end",
      "dominant-baseline": "central" }, v === 0 ? "■" : data.tokens[v].replace(data.mark, " ").trim()));
    state.ring = s("rect", { x: GUTTER, width: width - GUTTER, height: ROW, class: "am-ring" });
    state.head = s("line", { class: "am-head", y1: 0, y2: top + U * ROW, visibility: "hidden" });
    const dots = one.placed.map((t, u) => s("circle", { cx: GUTTER + (t + 0.5) * each, cy: top + (u + 0.5) * ROW, r: 2.6,
      class: "am-dot" }));
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
      "aria-label": `Spectrogram, and below it ${U} rows of attention weights over ${T} frames` },
    s("image", { href: `data:image/png;base64,${one.picture}`, x: GUTTER, y: 0, width: width - GUTTER, height: SOUND_HEIGHT,
      preserveAspectRatio: "none" }), state.shades,
    s("mask", { id: mask, "mask-type": "alpha", style: { "mask-type": "alpha" } }, state.cells),
    s("rect", { ...map, class: "am-ground" }), s("rect", { ...map, class: "am-cells", mask: `url(#${mask})` }), dots, state.ring, state.labels, state.head,
    axes({ width, height, x, y: scale([0, 1], [top + U * ROW, top + U * ROW]), xlabel: "time, s", grid: false,
      yformat: () => "" }));
    const letterAt = (event) => {
      const place = svg.getBoundingClientRect();
      const u = Math.floor(((event.clientY - place.top) * (height / place.height) - top) / ROW);
      return u >= 0 && u < U ? u : null;
    };
    svg.addEventListener("pointermove", (event) => {
      const u = letterAt(event);
      if (u !== null && event.pointerType === "mouse") focus(u);
    });
    svg.addEventListener("click", (event) => {
      const u = letterAt(event);
      if (u === null) return;
      focus(u);
      hearLetter();
    });
    state.place = x;
    state.top = top;
    box.replaceChildren(svg);
    recompute();
  }

  function playhead(time) {
    if (!state.head) return;
    state.head.setAttribute("visibility", time === null ? "hidden" : "visible");
    if (time !== null) for (const end of ["x1", "x2"]) state.head.setAttribute(end, state.place(time));
  }

  function show() {
    const one = now(), u = state.letter, alpha = state.alpha[u], most = Math.max(...alpha);
    state.shades?.forEach((shade, t) => shade.setAttribute("fill-opacity", (0.72 * (1 - alpha[t] / most)).toFixed(2)));
    state.ring?.setAttribute("y", state.top + u * ROW);
    if (box.scrollHeight > box.clientHeight) box.scrollTop = state.top + (u + 0.5) * ROW - box.clientHeight / 2;
    state.labels?.forEach((label, k) => label.classList.toggle("am-on", k === u));
    state.buttons.forEach((one, k) => one.setAttribute("aria-pressed", String(k === u)));
    steps.value = u;
    const [first, last] = stretch(alpha, 0.8), odds = choices(one.said[u], one.adds, alpha), written = one.tokens[u];
    const best = odds.map((p, v) => [p, v]).sort((a, b) => b[0] - a[0]).slice(0, SHOWN);
    bars.replaceChildren(...best.map(([p, v]) => h("li", { class: v === written ? "am-written" : "" },
      h("span", { class: "am-name" }, data.tokens[v]),
      h("span", { class: "am-bar" }, h("span", { style: { width: `${(100 * p).toFixed(1)}%` } })),
      h("span", { class: "aw-value" }, format.percent(p, p < 0.0995 ? 1 : 0)))));
    const moved = state.sharpness !== 1 || state.shift !== 0, same = best[0][1] === written;
    caption.textContent = `${moved ? "Looking there" : "As learned"}, 80 % of the weight lies on ${seconds(first * data.frame)} to `
      + `${seconds((last + 1) * data.frame)} s, and it would write “${data.tokens[best[0][1]]}” (${format.percent(best[0][0])})`
      + `${same ? "." : `; it had written “${data.tokens[written]}”.`}`;
    describe(card, `Letter ${u + 1} of ${one.tokens.length}: ${named(written)}. ${caption.textContent}`);
  }

  open();
  const unwatch = responsive(card, draw);
  return () => { unwatch(); steps.stop(); sound.stop(); };
}

export default { render };
