// Hotwords typed by the reader, and the beam that hears of them. The arithmetic is asrlab/scratch/hotwords.py.

const THRESHOLD = 10; // nats below a frame's best token
const SHOWN = 8; // lines of the beam

// Lines of text -> {phrases, errors}: known words alone, each phrase once.
export function readList(text, lexicon) {
  const phrases = [], errors = [];
  text.split("\n").forEach((line, i) => {
    const words = line.toLowerCase().split(/\s+/).filter(Boolean), phrase = words.join(" ");
    if (!words.length) return;
    const strange = words.find((word) => !Object.hasOwn(lexicon, word));
    // A name is spelled: its letters are the words.
    const spelled = strange && words.every((word) => Object.hasOwn(lexicon, word) || [...word].every((c) => Object.hasOwn(lexicon, c)));
    const said = spelled ? words.map((word) => (Object.hasOwn(lexicon, word) ? word : [...word].join(" "))).join(" ") : phrase;
    if (strange && !spelled) errors.push(`line ${i + 1}: the recogniser does not know "${strange}"`);
    else if (phrases.includes(said)) errors.push(`line ${i + 1}: "${said}" is there twice`);
    else phrases.push(said);
  });
  return { phrases, errors };
}

// The automaton of {phrase: nats}: beginnings -> what they have been lent.
export function makeHotwords(weights) {
  const phrases = new Map(Object.entries(weights).map(([phrase, nats]) => [phrase, nats]));
  const beginnings = new Set([""]);
  for (const phrase of phrases.keys()) {
    const words = phrase.split(" ");
    words.forEach((_, k) => beginnings.add(words.slice(0, k + 1).join(" ")));
  }
  const advance = new Map();
  const longest = (words) => {
    for (let k = 0; k < words.length; k += 1) if (advance.has(words.slice(k).join(" "))) return words.slice(k);
    return [];
  };
  const size = (begun) => (begun ? begun.split(" ").length : 0);
  for (const begun of [...beginnings].sort((a, b) => size(a) - size(b))) {
    let share = 0;
    for (const [phrase, nats] of phrases) {
      if (phrase !== begun && (begun === "" || phrase.startsWith(`${begun} `))) share = Math.max(share, nats / size(phrase));
    }
    const words = begun ? begun.split(" ") : [];
    advance.set(begun, begun ? Math.max(words.length * share, advance.get(longest(words.slice(1)).join(" "))) : 0);
  }
  const step = (node, word) => {
    const words = [...node, word], after = longest(words);
    let ending = 0;
    for (let k = 0; k < words.length; k += 1) ending += phrases.get(words.slice(k).join(" ")) ?? 0;
    return [advance.get(after.join(" ")) - advance.get(node.join(" ")) + ending, after];
  };
  const score = (words, finished = true) => {
    let total = 0, node = [];
    for (const word of words) { const [nats, after] = step(node, word); total += nats; node = after; }
    return total - (finished ? advance.get(node.join(" ")) : 0);
  };
  return { advance, step, score };
}

function compare(a, b) { // words, then tokens, as Python compares tuples
  for (const part of [0, 1]) {
    const [x, y] = [a[part], b[part]];
    for (let i = 0; i < Math.min(x.length, y.length); i += 1) if (x[i] !== y[i]) return x[i] < y[i] ? -1 : 1;
    if (x.length !== y.length) return x.length - y.length;
  }
  return 0;
}

// The candidates after each frame, best first; last, those that are whole sentences.
export function beamSearch(logY, lexicon, hotwords, beam) {
  const spelled = new Map(), begun = new Set();
  for (const [word, ways] of Object.entries(lexicon)) {
    for (const way of ways) {
      const key = way.join();
      spelled.set(key, [...(spelled.get(key) ?? []), word]);
      way.forEach((_, k) => begun.add(way.slice(0, k + 1).join()));
    }
  }
  const boosts = new Map(); // the same closed words come again in many prefixes
  const boost = (words) => {
    const key = words.join(" ");
    if (!boosts.has(key)) boosts.set(key, hotwords.score(words, false));
    return boosts.get(key);
  };
  let kept = [{ words: [], rest: [], blank: 0, spoken: -Infinity }];
  const history = logY.map((frame) => {
    const best = Math.max(...frame), found = new Map();
    const likely = frame.map((_, k) => k).filter((k) => k > 0 && frame[k] >= best - THRESHOLD);
    const add = (words, rest, blank, spoken) => {
      const key = `${words.join(" ")}|${rest.join()}`, before = found.get(key);
      if (!before) found.set(key, { words, rest, blank, spoken });
      else { before.blank = logAdd([before.blank, blank]); before.spoken = logAdd([before.spoken, spoken]); }
    };
    for (const { words, rest, blank, spoken } of kept) {
      const total = logAdd([blank, spoken]);
      add(words, rest, total + frame[0], -Infinity);
      for (const k of likely) {
        const again = rest.length > 0 && rest[rest.length - 1] === k, before = again ? blank : total;
        if (again) add(words, rest, -Infinity, spoken + frame[k]);
        if (begun.has([...rest, k].join())) add(words, [...rest, k], -Infinity, before + frame[k]);
        if (begun.has(String(k))) for (const word of spelled.get(rest.join()) ?? []) add([...words, word], [k], -Infinity, before + frame[k]);
      }
    }
    const ranked = [...found.values()].filter((one) => logAdd([one.blank, one.spoken]) > -Infinity).map((one) => ({ ...one, sound: logAdd([one.blank, one.spoken]), boost: boost(one.words) }));
    ranked.sort((a, b) => b.sound + b.boost - a.sound - a.boost || compare([a.words, a.rest], [b.words, b.rest]));
    kept = ranked.slice(0, beam);
    return ranked.map((one, i) => ({ ...one, kept: i < beam }));
  });
  const ended = new Map();
  for (const { words, rest, blank, spoken } of kept) {
    const wholes = rest.length ? (spelled.get(rest.join()) ?? []).map((word) => [...words, word]) : [words];
    for (const whole of wholes) {
      const key = whole.join(" "), sound = logAdd([ended.get(key)?.sound ?? -Infinity, blank, spoken]);
      ended.set(key, { words: whole, rest: [], sound, boost: hotwords.score(whole), kept: true });
    }
  }
  const final = [...ended.values()].sort((a, b) => b.sound + b.boost - a.sound - a.boost || compare([a.words, []], [b.words, []]));
  return [...history, final];
}

// For the golden test: plain numbers of each frame's first candidates.
export function searchSummary(logY, lexicon, weights, beam, most = 10) {
  return beamSearch(logY, lexicon, makeHotwords(weights), beam).map((candidates) => candidates.slice(0, most)
    .map((one) => [one.words, one.rest, one.sound, one.boost, one.kept]));
}

export function sentenceScore(weights, words) {
  return makeHotwords(weights).score(words);
}

export default {
  render({ model, el }) {
    const data = model.get("data");
    let example = data.examples[0], weight = data.weight, beam = data.beam, now = 0, history = [], plain = [], sound = { stop() {} };
    const card = frame(el, { title: "The hotword editor",
      help: "Write what you expect, a phrase a line; a name is taken as spelled. Then go through the frames: the green part of a bar is what the hotwords lend." });
    const which = choice({ label: "Recording", options: data.examples.map((one, i) => [i, one.text]), value: 0 }, (i) => { example = data.examples[i]; load(); });
    const list = h("textarea", { class: "hw-list", rows: 5, spellcheck: "false", "aria-label": "Hotwords, a phrase a line", oninput: () => run() });
    list.value = data.phrases.join("\n");
    const told = h("p", { class: "hw-told", role: "status" }), hear = h("span", {});
    const strip = h("div", { class: "hw-strip" }), lines = h("ol", { class: "hw-beam" }), answers = h("dl", { class: "hw-answers" });
    const weighs = slider({ label: "Weight", min: -6, max: 16, step: 0.5, value: weight, format: (v) => `${format.number(v, 1)} nats` }, (v) => { weight = v; run(); });
    const wide = slider({ label: "Beam", min: 1, max: 24, value: beam }, (v) => { beam = v; run(); });
    const steps = stepper({ label: "Frame", count: 2, speed: 10, keys: strip,
      format: (k) => (k >= example.log_y.length ? "the end" : format.seconds(k * data.frame_seconds)) }, (k) => { now = k; show(); });
    card.append(row(which, hear), h("div", { class: "hw-columns" }, h("div", {}, list, told), h("div", {}, weighs, wide)), answers, strip, row(steps), lines);

    function load() {
      sound.stop();
      sound = example.sound ? player(example.sound) : { stop() {} };
      hear.replaceChildren(...(example.sound ? [sound.button("Hear it")] : []));
      const surest = example.log_y.map((row) => row.map((v) => Math.exp(v)));
      strip.replaceChildren(example.picture ? h("img", { src: `data:image/png;base64,${example.picture}`, alt: "Spectrogram of the recording" })
        : heatmap(data.tokens.map((_, k) => surest.map((row) => (k ? row[k] : 0))), { label: "Probabilities of the sounds", low: 0, high: 1 }), h("i", {}));
      run();
    }
    function run() {
      const { phrases, errors } = readList(list.value, data.lexicon);
      told.textContent = errors.join("; ");
      const weights = Object.fromEntries(phrases.map((phrase) => [phrase, weight]));
      history = beamSearch(example.log_y, data.lexicon, makeHotwords(weights), beam);
      plain = beamSearch(example.log_y, data.lexicon, makeHotwords({}), beam);
      steps.count = history.length;
      now = steps.value = history.length - 1;
      show();
    }
    const text = (one) => (one ? one.words.join(" ") : "") || "(nothing)";
    function show() {
      const mark = strip.querySelector("i");
      if (mark) mark.style.left = `${(100 * Math.min(now, example.log_y.length)) / example.log_y.length}%`;
      const found = history[now].slice(0, SHOWN), best = found.length ? found[0].sound + found[0].boost : 0;
      lines.replaceChildren(...found.map((one) => {
        const length = Math.max(2, 100 * Math.exp((one.sound + one.boost - best) / 4)), lent = Math.min(1, Math.max(0, one.boost / 12));
        return h("li", { class: one.kept ? "" : "hw-dead" },
          h("span", { class: "hw-bar", style: { width: `${length / 3}%` } }, h("i", { style: { width: `${100 * lent}%` } })),
          h("b", {}, text(one)), one.rest.length ? h("em", {}, ` ${one.rest.map((k) => data.tokens[k]).join(" ")}`) : null,
          h("small", {}, ` ${format.number(one.sound, 1)} sound, ${format.number(one.boost, 1)} lent or earned`));
      }));
      const last = history[history.length - 1][0], without = plain[plain.length - 1][0];
      answers.replaceChildren(h("dt", {}, "Said"), h("dd", {}, example.text), h("dt", {}, "Without hotwords"), h("dd", {}, text(without)),
        h("dt", {}, "With your list"), h("dd", { class: text(last) === example.text ? "hw-right" : "hw-wrong" }, text(last)));
      describe(card, `Heard with your list: ${text(last)}. Without: ${text(without)}. First in the beam: ${text(found[0])}`);
    }
    load();
    return () => { sound.stop(); steps.stop(); };
  },
};
