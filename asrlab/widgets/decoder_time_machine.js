// Prefix beam search over one recording, frame by frame. The arithmetic is asrlab/scratch/prefix_beam.py.

const BEGIN = "<s>", END = "</s>", UNKNOWN = "<unk>", MARK = "\u2581";
const IMPOSSIBLE = -Infinity, THRESHOLD = 10; // nats below a frame's best token

// What the best token of each frame reads.
export function bestPath(logY) {
  const path = logY.map((frame) => frame.indexOf(Math.max(...frame)));
  return path.filter((k, t) => k !== 0 && k !== path[t - 1]);
}

// Masses of all prefixes after one more frame: Map of "1,2" -> {prefix, blank, spoken}.
export function advance(beam, frame, threshold = THRESHOLD) {
  const best = Math.max(...frame), after = new Map();
  const likely = frame.map((v, k) => k).filter((k) => k > 0 && frame[k] >= best - threshold);
  const add = (prefix, blank, spoken) => {
    const key = prefix.join(), before = after.get(key);
    if (!before) after.set(key, { prefix, blank, spoken });
    else { before.blank = logAdd([before.blank, blank]); before.spoken = logAdd([before.spoken, spoken]); }
  };
  for (const { prefix, blank, spoken } of beam) {
    const total = logAdd([blank, spoken]);
    add(prefix, total + frame[0], IMPOSSIBLE);
    for (const k of likely) {
      if (prefix[prefix.length - 1] === k) {
        add(prefix, IMPOSSIBLE, spoken + frame[k]);
        add([...prefix, k], IMPOSSIBLE, blank + frame[k]);
      } else add([...prefix, k], IMPOSSIBLE, total + frame[k]);
    }
  }
  return after;
}

// log p(word | history) of a back-off model {order, grams: {"a b": [log p, weight]}}.
export function backoff(lm, history, word) {
  const known = (w) => w in lm.grams;
  const last = known(word) ? word : UNKNOWN;
  const words = lm.order > 1 ? history.map((w) => (known(w) ? w : UNKNOWN)).slice(1 - lm.order) : [];
  let weight = 0;
  for (let start = 0; start <= words.length; start += 1) {
    const shorter = words.slice(start), found = lm.grams[[...shorter, last].join(" ")];
    if (found) return weight + (found[0] ?? IMPOSSIBLE);
    weight += lm.grams[shorter.join(" ")]?.[1] ?? 0;
  }
  return IMPOSSIBLE;
}

// The closed words of a prefix and the letters of the one being spelled.
export function splitWords(prefix, tokens) {
  const words = prefix.map((k) => tokens[k]).join("").split(MARK);
  if (words[0] === "") words.shift();
  return { closed: words.slice(0, -1), spelling: words[words.length - 1] ?? "" };
}

export function languageScore(words, lm, finished = false) {
  if (!lm) return 0;
  const said = [BEGIN, ...words, ...(finished ? [END] : [])];
  return said.reduce((sum, word, i) => (i ? sum + backoff(lm, said.slice(0, i), word) : 0), 0);
}

function byNumbers(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

// All prefixes with scores, best first, and whether they are among the best `beam`, with and without the LM.
export function ranked(masses, tokens, options, lm, finished = false) {
  const possible = [...masses].filter(({ blank, spoken }) => logAdd([blank, spoken]) > IMPOSSIBLE);
  const scored = possible.map(({ prefix, blank, spoken }) => {
    const { closed, spelling } = splitWords(prefix, tokens);
    const words = finished && spelling ? [...closed, spelling] : closed;
    const total = logAdd([blank, spoken]), language = languageScore(words, lm, finished);
    const score = total + (options.lm_weight ? options.lm_weight * language : 0) + options.word_bonus * words.length;
    return { prefix, blank, spoken, total, language, score };
  });
  const bySound = [...scored].sort((a, b) => b.total - a.total || byNumbers(a.prefix, b.prefix));
  const sounding = new Set(bySound.slice(0, options.beam));
  scored.sort((a, b) => b.score - a.score || byNumbers(a.prefix, b.prefix));
  return scored.map((one, i) => ({ ...one, kept: i < options.beam, bySound: sounding.has(one) }));
}

// history[t]: the candidates after frame t; the last element ranks the survivors as finished sentences.
export function prefixBeamSearch(logY, tokens, options, lm) {
  let beam = [{ prefix: [], blank: 0, spoken: IMPOSSIBLE }];
  const history = logY.map((frame) => {
    const candidates = ranked(advance(beam, frame).values(), tokens, options, lm);
    beam = candidates.filter((one) => one.kept);
    return candidates;
  });
  return [...history, ranked(beam, tokens, options, lm, true)];
}

// For the golden test: plain numbers of each frame's first candidates.
export function searchSummary(logY, tokens, options, lm, most = 12) {
  return prefixBeamSearch(logY, tokens, options, lm).map((candidates) => candidates.slice(0, most)
    .map((one) => [one.prefix, one.total, one.language, one.score, one.kept, one.bySound]));
}

// The place of the truth in the beam after each frame: of its likeliest beginning there, from 0; null if none is left.
// A beginning that is too short for what was said long ago does not count: it must be within two tokens of the longest.
export function truthRanks(history, truth) {
  const begins = (prefix) => prefix.length <= truth.length && prefix.every((k, i) => k === truth[i]);
  let longest = 0;
  return history.slice(0, -1).map((candidates) => {
    const kept = candidates.filter((one) => one.kept);
    for (const one of candidates) if (begins(one.prefix)) longest = Math.max(longest, one.prefix.length);
    const place = kept.findIndex((one) => begins(one.prefix) && one.prefix.length >= longest - 2);
    return place < 0 ? null : place;
  });
}

const textOf = (prefix, tokens) => prefix.map((k) => tokens[k]).join("").replaceAll(MARK, " ").trim();
const SHOWN_DEAD = 4, SPAN = 12; // dead prefixes shown; nats that the bars span
const LEFT = 44, RIGHT = 4; // pixels beside the time axis, which spectrogram and chart have in common

function badges(one, previous, finished) {
  if (finished || !previous) return [];
  const before = new Set(previous.filter((other) => other.kept).map((other) => other.prefix.join()));
  const itself = before.has(one.prefix.join()), parent = before.has(one.prefix.slice(0, -1).join()) && one.prefix.length;
  return [
    !itself && one.kept && ["new", "new"],
    itself && parent && one.prefix.length && ["merged", "two ways"],
    one.kept && !one.bySound && ["rescued", "kept by the language model"],
    !one.kept && one.bySound && ["given", "given up for the language model"],
  ].filter(Boolean);
}

export default {
  render({ model, el }) {
    const data = model.get("data"), { tokens, lm } = data;
    const options = { ...data.search };
    let example = data.examples[0], history = [], now = 0, ranks = [], ranksAlone = [];

    const card = frame(el, { title: "The decoder time machine",
      help: "Go through the recording frame by frame. Each line below is a beginning of a text; the longer its bar, the better its score." });
    const which = choice({ label: "Recording", options: data.examples.map((one, i) => [i, one.title]), value: 0 },
      (i) => { example = data.examples[i]; sound.stop(); load(); });
    const beam = slider({ label: "Beam", min: 1, max: 16, value: options.beam }, (v) => { options.beam = v; run(); });
    const weight = slider({ label: "Language model", min: 0, max: 1.5, step: 0.1, value: options.lm_weight,
      format: (v) => (v ? format.number(v, 1) : "off") }, (v) => { options.lm_weight = v; run(); });
    const bonus = slider({ label: "Word bonus", min: 0, max: 4, step: 0.5, value: options.word_bonus,
      format: (v) => format.number(v, 1) }, (v) => { options.word_bonus = v; run(); });
    const hear = h("span", {}), strip = h("div", { class: "tm-strip", style: { margin: `0 ${RIGHT}px 0 ${LEFT}px` } });
    const chart = h("div", { class: "tm-chart", role: "group", "aria-label": "Place of the truth in the beam; step with the arrow keys" });
    const list = h("ol", { class: "tm-beam" }), dead = h("ul", { class: "tm-beam tm-dead" });
    const votes = h("p", { class: "tm-votes" }), answers = h("dl", { class: "tm-answers" });
    let sound = { stop() {} };
    const steps = stepper({ label: "Frame", count: 2, speed: 8, keys: chart,
      format: (k) => (k === example.log_y.length ? "the end" : `frame ${k + 1}, ${format.seconds(k * data.frame_seconds)}`) },
      (k) => { now = k; show(); });
    card.append(row(which, hear), row(beam, lm ? weight : null, lm ? bonus : null), strip, chart, steps, votes,
      h("div", { class: "tm-heading" }, "In the beam"), list, h("div", { class: "tm-heading" }, "Dropped in this frame"), dead, answers);

    function load() {
      sound = player(example.sound);
      sound.onTime = (t) => { steps.value = now = Math.min(example.log_y.length - 1, Math.floor(t / data.frame_seconds)); show(true); };
      hear.replaceChildren(sound.button("Hear it"));
      strip.replaceChildren(
        h("img", { src: `data:image/png;base64,${example.picture}`, alt: `Spectrogram of: ${example.text}`,
          style: { width: `${(100 * example.seconds) / (example.log_y.length * data.frame_seconds)}%` } }), h("span", { class: "tm-now" }));
      steps.count = example.log_y.length + 1;
      now = Math.min(now, example.log_y.length);
      run();
    }

    function run() {
      history = prefixBeamSearch(example.log_y, tokens, options, lm);
      ranks = truthRanks(history, example.truth);
      ranksAlone = options.lm_weight && lm
        ? truthRanks(prefixBeamSearch(example.log_y, tokens, { ...options, lm_weight: 0, word_bonus: 0 }, lm), example.truth) : null;
      drawChart(drawn);
      showAnswers();
      show();
    }

    let drawn = 0;
    function drawChart(width) {
      drawn = width || drawn;
      if (!drawn) return;
      const height = 132, left = LEFT, T = history.length - 1, most = options.beam;
      const x = scale([0, T], [left, drawn - RIGHT]), y = scale([0, most], [18, height - 22]);
      const place = (rank) => y(rank === null ? most : rank);
      const line = (values, cls) => s("path", { class: cls, d: values.map((rank, t) =>
        `${t ? "L" : "M"}${x(t + 0.5).toFixed(1)} ${place(rank).toFixed(1)}`).join("") });
      chart.replaceChildren(s("svg", { viewBox: `0 0 ${drawn} ${height}`, width: drawn, height, role: "img",
        "aria-label": `The truth is ${ranks.filter((r) => r === null).length ? "lost in some frames" : "in the beam throughout"}` },
        s("line", { class: "tm-lost", x1: left, x2: drawn - RIGHT, y1: y(most), y2: y(most) }),
        s("text", { x: left - 6, y: y(0) + 4, "text-anchor": "end" }, "first"),
        s("text", { x: left - 6, y: y(most) + 4, "text-anchor": "end" }, "lost"),
        s("text", { x: left, y: 11 }, "place of what was said"),
        ranksAlone && line(ranksAlone, "tm-alone"), line(ranks, "tm-truth"),
        ranksAlone && s("text", { x: drawn - RIGHT, y: 11, "text-anchor": "end", class: "tm-legend" }, "dashed: without language model"),
        s("line", { class: "tm-cursor", x1: 0, x2: 0, y1: 14, y2: height - 16 })));
      chart.scale = x;
      cursor();
    }
    function cursor() {
      const t = Math.min(now, history.length - 2) + 0.5, line = chart.querySelector(".tm-cursor");
      if (line) for (const end of ["x1", "x2"]) line.setAttribute(end, chart.scale(t));
      strip.querySelector(".tm-now").style.left = `${(100 * t) / (history.length - 1)}%`;
    }
    drag(chart, ({ x }) => {
      const t = Math.floor(chart.scale.invert(x * drawn));
      steps.value = now = Math.max(0, Math.min(history.length - 2, t));
      show();
    });

    function item(one, i, best, finished) {
      const text = textOf(one.prefix, tokens) || "(nothing yet)", tail = text.length > 34 ? `…${text.slice(-33)}` : text;
      const { spelling } = splitWords(one.prefix, tokens), cut = finished || !one.prefix.length ? tail.length : tail.length - spelling.length;
      return h("li", { title: text, class: one.kept ? "" : "tm-gone" },
        h("span", { class: "tm-bar", style: { width: `${Math.max(1, 100 * (1 - (best - one.score) / SPAN)).toFixed(1)}%` } }),
        h("span", { class: "tm-text" }, tail.slice(0, cut), h("span", { class: "tm-open" }, tail.slice(cut))),
        h("span", { class: "tm-badges" }, badges(one, history[now - 1], finished).map(([kind, words]) => h("span", { class: `tm-badge tm-${kind}` }, words))),
        h("span", { class: "tm-score" }, format.log(one.score),
          lm && options.lm_weight ? h("small", {}, ` sound ${format.log(one.total)}, text ${format.log(one.language)}`) : null));
    }

    function show(quiet = false) {
      const finished = now === history.length - 1, candidates = history[now], best = candidates[0].score;
      const kept = candidates.filter((one) => one.kept);
      const gone = candidates.filter((one) => !one.kept).slice(0, SHOWN_DEAD);
      list.replaceChildren(...kept.map((one, i) => item(one, i, best, finished)));
      dead.replaceChildren(...(gone.length ? gone.map((one, i) => item(one, i, best, finished)) : [h("li", { class: "tm-none" }, "none")]));
      const logs = example.log_y[Math.min(now, history.length - 2)];
      const top = logs.map((v, k) => [Math.exp(v), k]).sort((a, b) => b[0] - a[0]).slice(0, 4).filter(([p]) => p >= 0.005);
      votes.replaceChildren(finished ? "The recording is over: the open word counts, and so does the end of the sentence."
        : h("span", {}, "The network says: ", top.map(([p, k]) => h("span", { class: "tm-vote" },
          h("b", {}, k ? tokens[k].replace(MARK, "·") : "blank"), ` ${format.percent(p)}`))));
      cursor();
      if (!quiet) describe(card, `${finished ? "End" : `Frame ${now + 1}`}: best is ${textOf(kept[0].prefix, tokens) || "nothing yet"}, ${kept.length} in the beam`);
    }

    function showAnswers() {
      const end = history[history.length - 1][0].prefix, greedy = bestPath(example.log_y);
      const said = example.text.split(" ");
      const colour = (text) => {
        const words = text.split(" "), right = common(said, words);
        return words.map((word, i) => [i ? " " : "", h("span", { class: right.has(i) ? "" : "tm-wrong" }, word)]);
      };
      const entry = (name, content) => [h("dt", {}, name), h("dd", { dataset: { answer: name } }, content)];
      answers.replaceChildren(...entry("said", example.text), ...entry("best path", colour(textOf(greedy, tokens))),
        ...entry("this search", colour(textOf(end, tokens))));
    }

    load();
    const unwatch = responsive(card, drawChart);
    return () => { unwatch(); steps.stop(); sound.stop(); };
  },
};

// Positions in `words` that a longest common subsequence with `said` matches.
function common(said, words) {
  const L = Array.from({ length: said.length + 1 }, () => new Array(words.length + 1).fill(0));
  for (let i = said.length - 1; i >= 0; i -= 1) {
    for (let j = words.length - 1; j >= 0; j -= 1) {
      L[i][j] = said[i] === words[j] ? L[i + 1][j + 1] + 1 : Math.max(L[i + 1][j], L[i][j + 1]);
    }
  }
  const found = new Set();
  for (let i = 0, j = 0; i < said.length && j < words.length;) {
    if (said[i] === words[j]) { found.add(j); i += 1; j += 1; } else if (L[i + 1][j] >= L[i][j + 1]) i += 1; else j += 1;
  }
  return found;
}
